/** An agent by hand, which can drop its connection at any moment: one POST, and the JSON-RPC answer from body or stream. */
import type { Gateway } from './gateway.ts'

export interface RawAnswer {
  readonly id: unknown
  readonly result?: {
    readonly isError?: boolean
    readonly content: readonly { readonly text: string }[]
    readonly _meta?: { readonly 'dev.countersign/decision'?: Readonly<Record<string, unknown>> }
  }
  readonly error?: {
    readonly code: number
    readonly message: string
    readonly data?: Readonly<Record<string, unknown>>
  }
}

/** Rejects where the connection breaks off, or ends without an answer. */
export async function rawCall(
  gateway: Pick<Gateway, 'mcp' | 'token'>,
  call: {
    readonly id: string | number
    readonly tool: string
    readonly arguments: object
    readonly signal?: AbortSignal
  },
): Promise<RawAnswer> {
  const { id, tool, arguments: args, signal } = call
  const response = await fetch(gateway.mcp, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await gateway.token()}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: tool, arguments: args } }),
    ...(signal === undefined ? {} : { signal }),
  })
  const text = await response.text()
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream')
  const messages = isStream ? [...text.matchAll(/^data: ?(\{.*)$/gm)].map(([, data = '']) => data) : [text]
  const answer = messages.map((message) => JSON.parse(message) as RawAnswer).find((message) => message.id === id)
  if (answer === undefined) throw new Error(`no answer to ${id}: ${text.slice(0, 500)}`)
  return answer
}
