/**
 * One request to Microsoft, under limits: never sent twice, never redirected with our token, never waited for without
 * end, and an answer that says whether the request was taken.
 */
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
  const { method, body, timeoutMs } = request
  const headers = new Headers(request.headers)
  // Node 20's Brotli decoder has a flaw without a fix, so nothing is to be inflated.
  headers.set('accept-encoding', 'identity')
  // A kept connection may be closed by the other side just then, and nobody could tell whether a message had arrived.
  headers.set('connection', 'close')
  // fetch names the length itself, and refuses another's word.
  headers.delete('content-length')
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, { method, headers, body: body ?? null, redirect: 'error', signal })
    if (response.headers.has('content-encoding')) {
      await response.body?.cancel()
      throw new Error('the answer is compressed although not asked for')
    }
    return { status: response.status, headers: response.headers, text: await readText(response) }
  } catch (cause) {
    if (isNotSent(cause)) throw new NotSent('there was no connection', { cause })
    throw new AnswerLost('no answer came that can be read', { cause })
  }
}

/** Before a connection stands (undici's and Node's names). What a server closes on us may have been taken. */
const NO_CONNECTION: ReadonlySet<unknown> = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'],
  ...['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ...['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'ERR_TLS_CERT_ALTNAME_INVALID'],
])

function isNotSent(error: unknown): boolean {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) return false
  const { cause } = error
  if ('code' in cause && NO_CONNECTION.has(cause.code)) return true
  // One of each address of a name.
  return cause instanceof AggregateError && cause.errors.every((one: { code?: unknown }) => NO_CONNECTION.has(one.code))
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
