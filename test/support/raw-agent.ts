/** An agent by hand: what it sends and gets is exactly what a test writes and sees. Legacy sessions over HTTP. */
export interface RawAnswer {
  readonly status: number
  readonly session: string | null
  readonly text: string
  /** Each JSON-RPC message of the answer, of a stream in its order. */
  readonly messages: readonly RawMessage[]
}

export interface RawMessage {
  readonly id?: string | number
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: { content?: { text?: string }[]; isError?: boolean } & Record<string, unknown>
  readonly error?: { code: number; message: string; data?: Record<string, unknown> }
}

export interface RawAgent {
  readonly session: string | null
  post(body: unknown, options?: { session?: string; accept?: string; signal?: AbortSignal }): Promise<RawAnswer>
  /** The text of a tool's answer. */
  call(tool: string, id: string | number, args?: Record<string, unknown>): Promise<RawMessage>
  send(method: 'GET' | 'DELETE', options?: { session?: string; signal?: AbortSignal }): Promise<Response>
}

const BOTH = 'application/json, text/event-stream'

/** @param token of the agent */
export function rawAgent(url: URL, token: string): RawAgent & { initialize(): Promise<RawAnswer> } {
  let session: string | null = null
  const headersOf = (own: string | undefined) => {
    const id = own ?? session
    return { authorization: `Bearer ${token}`, accept: BOTH, ...(id === null ? {} : { 'mcp-session-id': id }) }
  }
  const agent: RawAgent & { initialize(): Promise<RawAnswer> } = {
    get session() {
      return session
    },
    async initialize() {
      const clientInfo = { name: 'raw', version: '1' }
      const params = { protocolVersion: '2025-11-25', capabilities: { elicitation: {} }, clientInfo }
      const answer = await agent.post({ jsonrpc: '2.0', id: 0, method: 'initialize', params })
      session = answer.session
      if (session !== null) await agent.post({ jsonrpc: '2.0', method: 'notifications/initialized' })
      return answer
    },
    async post(body, options = {}) {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          ...headersOf(options.session),
          'content-type': 'application/json',
          ...(options.accept === undefined ? {} : { accept: options.accept }),
        },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      })
      const text = await response.text()
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
      const data = isStream
        ? text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
        : [text]
      const messages = data.filter((item) => item !== '').map((item) => JSON.parse(item) as RawMessage)
      return { status: response.status, session: response.headers.get('mcp-session-id'), text, messages }
    },
    async call(tool, id, args = {}) {
      const { messages } = await agent.post({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: { name: tool, arguments: args },
      })
      const last = messages.at(-1)
      if (last === undefined) throw new Error(`no answer to ${tool}`)
      return last
    },
    send(method, options = {}) {
      const signal = options.signal === undefined ? {} : { signal: options.signal }
      return fetch(url, { method, headers: headersOf(options.session), ...signal })
    },
  }
  return agent
}

export const textOf = (message: RawMessage): string => message.result?.content?.map(({ text }) => text).join('') ?? ''
