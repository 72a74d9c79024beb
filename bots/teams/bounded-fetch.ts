/**
 * One request to Microsoft, under limits: never sent twice, never redirected with our token (a redirection is an answer
 * like any other), never waited for without end, and an answer that says whether the request was taken.
 */
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'

export interface BoundedRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly timeoutMs: number
}

export interface BoundedAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** A page of a roster has up to 500 members of some 600 bytes; a key set 40 KB; errors less. */
const ANSWER_BYTES_MAX = 1024 * 1024

/** It never left: no connection came about, so that nothing was taken. */
export class NotSent extends Error {
  override readonly name = 'NotSent'
}

/** It may have been taken: the answer was lost, came too late or can't be read. */
export class AnswerLost extends Error {
  override readonly name = 'AnswerLost'
}

export async function boundedFetch(url: string, request: BoundedRequest): Promise<BoundedAnswer> {
  // What fails before that never left: refused, unknown, a certificate that isn't theirs, a firewall that says nothing.
  let isConnected = false
  try {
    return await ask(new URL(url), request, () => {
      isConnected = true
    })
  } catch (cause) {
    if (!isConnected) throw new NotSent('there was no connection', { cause })
    throw new AnswerLost('no answer came that can be read', { cause })
  }
}

/** By Node's own client, because fetch doesn't tell whether a request that took too long had a connection. */
function ask(url: URL, asked: BoundedRequest, connected: () => void): Promise<BoundedAnswer> {
  const { method, body, timeoutMs } = asked
  const isSecure = url.protocol === 'https:'
  const headers = new Headers(asked.headers)
  // Node 20's Brotli decoder has a flaw without a fix, so nothing is to be inflated.
  headers.set('accept-encoding', 'identity')
  // A kept connection may be closed by the other side just then, and nobody could tell whether a message had arrived.
  headers.set('connection', 'close')
  headers.delete('content-length')
  if (body !== undefined) headers.set('content-length', String(Buffer.byteLength(body)))
  const signal = AbortSignal.timeout(timeoutMs)
  const options = { method, headers: Object.fromEntries(headers), agent: false, signal } as const
  return new Promise((resolve, reject) => {
    const request = isSecure ? https.request(url, options) : http.request(url, options)
    request.once('socket', (socket) => socket.once(isSecure ? 'secureConnect' : 'connect', connected))
    request.on('error', reject)
    request.once('response', (response) => void read(response).then(resolve, reject))
    request.end(body)
  })
}

async function read(response: IncomingMessage): Promise<BoundedAnswer> {
  const headers = new Headers()
  for (const [name, values] of Object.entries(response.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  if (headers.has('content-encoding')) {
    response.destroy()
    throw new Error('the answer is compressed although not asked for')
  }
  return { status: response.statusCode ?? 0, headers, text: await readText(response) }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // Leaving the loop early ends the connection.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.byteLength
    if (size > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
