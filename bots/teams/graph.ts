/**
 * Microsoft Graph, as far as the app may ask it: people, groups, and a channel's messages. Only where the settings say
 * `graph: true`, because an administrator has to allow it first.
 *
 * Nobody waits in here for longer than one answer takes: after Graph's Retry-After has begun, everyone who asks is told so
 * at once (learn.microsoft.com/graph/throttling). The app's token goes to the settings' origin and nowhere else.
 */
import { isObject, type JsonObject, type JsonValue } from '../../src/json/value.ts'
import { ChannelBusy, type Clock } from '../../src/ports.ts'
import type { Transport } from './transport.ts'

/** One question; Graph answers within a second, and a nested group's within a few. */
const ANSWER_TIMEOUT_MS = 5_000
/** A page of 50 messages with cards is about 2 MB; of people, far less. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
/** Where a 429 or 503 names no time, and the most that is believed. */
const RETRY_AFTER_DEFAULT_MS = 10_000
const RETRY_AFTER_MAX_MS = 300_000

export interface GraphRequest {
  /** For questions that Graph answers only with `ConsistencyLevel: eventual`, such as counts. */
  readonly isEventual?: boolean
  readonly signal?: AbortSignal
}

/** Paths are Graph's own, from `/v1.0/` on. Rejects with ChannelBusy, and with GraphFault. */
export interface Graph {
  get(path: string, request?: GraphRequest): Promise<JsonObject>
  post(path: string, body: JsonObject, request?: GraphRequest): Promise<JsonObject>
  /** A list's pages, as Graph orders them; the next is asked for when whoever reads wants it. */
  pages(path: string, request?: GraphRequest): AsyncGenerator<readonly JsonObject[]>
}

/** Graph said no, or something that is no answer of Graph's. Its message is for people and quotes nothing of the answer. */
export class GraphFault extends Error {
  override readonly name = 'GraphFault'
  /** Graph's own word, such as `Authorization_RequestDenied`; or `unreachable`, `bad_answer`, `no_token`. */
  readonly code: string
  /** Null where no answer came. */
  readonly status: number | null
  constructor(code: string, options: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(`Microsoft Graph: ${code}`, { cause: options.cause })
    this.code = code
    this.status = options.status ?? null
  }
}

export interface GraphParts {
  /** Without a trailing slash: `https://graph.microsoft.com`. */
  readonly origin: string
  readonly token: Transport['token']
  readonly clock: Clock
}

export function createGraph(parts: GraphParts): Graph {
  const ask = createAsk(parts)
  return {
    get: (path, request) => ask(path, request),
    post: (path, body, request) => ask(path, { ...request, body }),
    async *pages(path, request) {
      let next: string | null = path
      while (next !== null) {
        const answer: JsonObject = await ask(next, request)
        yield itemsOf(answer)
        next = nextOf(answer, next, parts.origin)
      }
    },
  }
}

type Ask = (path: string, request?: GraphRequest & { readonly body?: JsonObject }) => Promise<JsonObject>

function createAsk({ origin, token, clock }: GraphParts): Ask {
  let notBefore = 0
  return async (path, { isEventual, signal, body } = {}) => {
    const waitMs = notBefore - clock.now()
    if (waitMs > 0) throw new ChannelBusy(waitMs)
    const bearer = await token(`${origin}/.default`).catch((cause: unknown) => {
      throw new GraphFault('no_token', { cause })
    })
    const limit = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
    const response = await fetch(`${origin}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      // The token must not follow a redirect to another host.
      redirect: 'error',
      headers: {
        accept: 'application/json',
        // Node 20's Brotli decoder has a flaw without a fix, so nothing is to be inflated.
        'accept-encoding': 'identity',
        authorization: `Bearer ${bearer}`,
        ...(isEventual === true && { consistencylevel: 'eventual' }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    }).catch((cause: unknown) => {
      throw new GraphFault('unreachable', { cause })
    })
    try {
      if (response.status === 429 || response.status === 503) {
        const retryAfterMs = retryAfterOf(response.headers)
        notBefore = Math.max(notBefore, clock.now() + retryAfterMs)
        throw new ChannelBusy(retryAfterMs)
      }
      const answer = await readJson(response)
      if (response.status !== 200) throw new GraphFault(codeOf(answer, response.status), response)
      if (!isObject(answer)) throw new GraphFault('bad_answer', response)
      return answer
    } finally {
      // Nothing is left half-read on a pooled connection; no-op after a whole read.
      if (!response.bodyUsed) await response.body?.cancel()
    }
  }
}

/** RFC 9110 §10.2.3; Graph writes seconds. */
function retryAfterOf(headers: Headers): number {
  const ms = Number(headers.get('retry-after') ?? Number.NaN) * 1_000
  if (!Number.isFinite(ms)) return RETRY_AFTER_DEFAULT_MS
  return Math.min(RETRY_AFTER_MAX_MS, Math.max(1_000, ms))
}

/** learn.microsoft.com/graph/errors: `{ "error": { "code": … } }`. */
function codeOf(answer: JsonValue | null, status: number): string {
  const error = isObject(answer) ? answer.error : null
  const code = isObject(error) ? error.code : null
  return typeof code === 'string' && /^\w{1,80}$/.test(code) ? code : `http_${status}`
}

function itemsOf({ value }: JsonObject): readonly JsonObject[] {
  if (!Array.isArray(value)) throw new GraphFault('bad_answer')
  return value.filter((item) => isObject(item))
}

/**
 * learn.microsoft.com/graph/paging. A link to anything but this list's next page is none; a conversation's id may come back
 * encoded otherwise.
 */
function nextOf(answer: JsonObject, asked: string, origin: string): string | null {
  const link = answer['@odata.nextLink']
  if (link === undefined) return null
  const next = typeof link === 'string' && URL.canParse(link) ? new URL(link) : null
  const { pathname } = new URL(asked, origin)
  const path = next === null ? null : `${next.pathname}${next.search}`
  if (
    path === null ||
    next?.origin !== new URL(origin).origin ||
    decodeURIComponent(next.pathname) !== decodeURIComponent(pathname) ||
    path === asked
  ) {
    throw new GraphFault('bad_answer')
  }
  return path
}

/** Null where it is no JSON: an error's may be a proxy's page. */
async function readJson(response: Response): Promise<JsonValue | null> {
  if (response.headers.has('content-encoding')) throw new GraphFault('bad_answer', response)
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    // Leaving the loop early cancels the body.
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength
      if (size > ANSWER_BYTES_MAX) break
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new GraphFault('unreachable', { cause })
  }
  if (size > ANSWER_BYTES_MAX) throw new GraphFault('bad_answer', response)
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return null
  }
}
