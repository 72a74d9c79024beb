/** The agent: a client of the official MCP SDK, which knows nothing of Countersign and is given its URL and a token. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

export const MCP_REVISION = '2026-07-28'

export interface Agent {
  tools(): Promise<readonly string[]>
  call(tool: string, args: Readonly<Record<string, unknown>>): Promise<ToolAnswer>
  close(): Promise<void>
}

export interface ToolAnswer {
  readonly text: string
  readonly isError: boolean
  /** All of it, as the agent got it. */
  readonly json: string
}

/** `waitMaxMs`: how long a call may be held; the SDK's own default is a minute. */
export async function connectAgent({
  url,
  token,
  waitMaxMs,
}: {
  readonly url: string
  readonly token: string
  readonly waitMaxMs: number
}): Promise<Agent> {
  const client = new Client(
    { name: 'demo-agent', version: '1.0.0' },
    { versionNegotiation: { mode: { pin: MCP_REVISION } } },
  )
  const headers = { authorization: `Bearer ${token}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  return {
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    async call(tool, args) {
      const answer = await client.callTool({ name: tool, arguments: { ...args } }, { timeout: waitMaxMs })
      const text = answer.content.map((part) => (part.type === 'text' ? part.text : `(${part.type})`)).join('\n')
      return { text, isError: answer.isError === true, json: JSON.stringify(answer) }
    },
    close: () => client.close(),
  }
}

export interface Challenge {
  readonly status: number
  /** Of the metadata that the answer points to (RFC 9728); null where it points nowhere. */
  readonly issuer: string | null
  readonly text: string
}

/** What an agent does first, without a token: it asks, and is told where to get one. */
export async function callWithoutToken(url: string): Promise<Challenge> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
  })
  const text = await response.text()
  const [, metadata] = /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '') ?? []
  if (metadata === undefined) return { status: response.status, issuer: null, text }
  const { authorization_servers } = (await (await fetch(metadata)).json()) as { authorization_servers?: string[] }
  return { status: response.status, issuer: authorization_servers?.[0] ?? null, text }
}
