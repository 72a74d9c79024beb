/** Real MCP clients of both eras, from the official SDKs. */
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

export type Era = 'modern' | 'legacy'

export interface Agent {
  readonly era: Era
  tools(): Promise<readonly string[]>
  /** The same, whole. */
  listed(): Promise<readonly ListedTool[]>
  call(tool: string, args: Record<string, unknown>, options?: { onprogress?: () => void }): Promise<ToolAnswer>
  close(): Promise<void>
}

export interface ListedTool {
  readonly name: string
  readonly description?: string | undefined
  readonly _meta?: Readonly<Record<string, unknown>> | undefined
}

export interface ToolAnswer {
  readonly text: string
  readonly isError: boolean
  readonly structured: unknown
}

/** `modern` speaks MCP 2026-07-28 without sessions; `legacy` MCP 2025-11-25 with one. */
export async function connectAgent(era: Era, url: URL, token: string): Promise<Agent> {
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  const info = { name: `test-${era}`, version: '1.0.0' }
  const client =
    era === 'modern'
      ? new ModernClient(info, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
      : new LegacyClient(info)
  const transport =
    era === 'modern' ? new ModernTransport(url, { requestInit }) : new LegacyTransport(url, { requestInit })
  // The two SDKs' types are alike but not the same type.
  await (client as LegacyClient).connect(transport as LegacyTransport)
  const legacy = client as LegacyClient
  return {
    era,
    tools: async () => (await legacy.listTools()).tools.map(({ name }) => name),
    listed: async () => (await legacy.listTools()).tools,
    async call(tool, args, options = {}) {
      const answer =
        era === 'modern'
          ? await (client as ModernClient).callTool({ name: tool, arguments: args }, options)
          : await legacy.callTool({ name: tool, arguments: args }, undefined, options)
      return toolAnswer(answer as never)
    },
    close: () => legacy.close(),
  }
}

function toolAnswer(answer: {
  content: { text?: string }[]
  isError?: boolean
  structuredContent?: unknown
}): ToolAnswer {
  const text = answer.content.map((part) => part.text ?? '').join('\n')
  return { text, isError: answer.isError === true, structured: answer.structuredContent }
}
