/**
 * What tools an upstream has, asked by the gateway itself with the brokered credential. What an agent's own tools/list
 * carried can't serve: the fingerprint must name the definition that the server gives now, not the one that an agent
 * saw, and a definition that changes between the card and the run must stop the run.
 *
 * Each look over HTTP connects anew: no session of ours idles at the upstream, and both eras are found out by the SDK.
 * A server that is a command is asked on a process of the gateway's own; to start one for each look would take seconds.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Broker } from '../src/credential/lease.ts'
import { GatewayError } from '../src/errors.ts'
import type { Catalogue } from '../src/gate/call.ts'
import type { JsonObject } from '../src/json/value.ts'
import type { Clock, Log, ToolListing } from '../src/ports.ts'
import type { StdioUpstream } from './stdio/stdio-upstream.ts'

/** A look that began so long ago still counts as `fresh`: a thousand calls that wake at once need one look. */
const FRESH_MS = 1_000
/** How long a look serves `cached` and `known`; past it, conditions on annotations fail closed. */
const CACHED_MS = 5 * 60_000
/** How often the copy is renewed where policy needs it on every call. */
const RENEW_MS = 60_000
/** One look, all its round trips. */
const LOOK_TIMEOUT_MS = 10_000
/** A server that never stops paging is not followed for ever. */
const PAGES_MAX = 100

interface Look {
  readonly startedAt: number
  readonly tools: Promise<ReadonlyMap<string, JsonObject>>
  settled: ReadonlyMap<string, JsonObject> | null
}

/** Where it is reached by HTTP, or the one that the gateway starts. */
export type ToolSource = URL | Pick<StdioUpstream, 'tools'>

export interface CatalogueOptions {
  readonly upstreams: ReadonlyMap<string, ToolSource>
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

export interface UpstreamCatalogue extends Catalogue, ToolListing {
  /** All tools of one upstream, as it lists them now; for `doctor`. */
  look(upstream: string): Promise<ReadonlyMap<string, JsonObject>>
  /** Looks at every upstream, now and from time to time, so that `known` knows. */
  keepWarm(): void
  close(): void
}

export function createCatalogue(options: CatalogueOptions): UpstreamCatalogue {
  const { upstreams, clock, log } = options
  const looks = new Map<string, Look>()
  let renewal: NodeJS.Timeout | undefined

  function begin(upstream: string): Look {
    const source = upstreams.get(upstream)
    if (source === undefined) throw new GatewayError('unknown_upstream', `There is no upstream "${upstream}".`)
    const tools =
      source instanceof URL ? listTools(options, upstream, source) : listStdioTools(options, upstream, source)
    const look: Look = { startedAt: clock.now(), tools, settled: null }
    const before = looks.get(upstream)
    looks.set(upstream, look)
    tools.then(
      (settled) => {
        look.settled = settled
      },
      () => {
        // The last good look stays until it is too old.
        if (looks.get(upstream) === look) {
          if (before?.settled) looks.set(upstream, before)
          else looks.delete(upstream)
        }
      },
    )
    return look
  }

  function within(upstream: string, ageMs: number): Look | null {
    const look = looks.get(upstream)
    return look !== undefined && clock.now() - look.startedAt <= ageMs ? look : null
  }

  return {
    async definition(upstream, tool, age) {
      const look = within(upstream, age === 'fresh' ? FRESH_MS : CACHED_MS) ?? begin(upstream)
      return (await look.tools).get(tool) ?? null
    },
    known(upstream, tool) {
      return within(upstream, CACHED_MS)?.settled?.get(tool) ?? null
    },
    look: (upstream) => begin(upstream).tools,
    async tools(upstream, { age, withinMs }) {
      const look = within(upstream, age === 'fresh' ? FRESH_MS : CACHED_MS) ?? begin(upstream)
      return inTime(look.tools, withinMs, upstream)
    },
    keepWarm() {
      const renew = () => {
        for (const upstream of upstreams.keys()) {
          begin(upstream).tools.catch(() => log.warn('could not list the tools of an upstream', { upstream }))
        }
      }
      renew()
      renewal = setInterval(renew, RENEW_MS)
      renewal.unref()
    },
    close() {
      clearInterval(renewal)
    },
  }
}

async function listTools(
  { broker, version }: CatalogueOptions,
  upstream: string,
  url: URL,
): Promise<ReadonlyMap<string, JsonObject>> {
  const lease = await broker.lend(upstream)
  const headers: Record<string, string> = { 'accept-encoding': 'identity' }
  for (const [name, secret] of lease.headers) headers[name] = secret.reveal()
  const client = new Client({ name: 'countersign', version }, { versionNegotiation: { mode: 'auto' } })
  const requestInit = { headers, redirect: 'error' } as const
  const transport = new StreamableHTTPClientTransport(url, { requestInit, fetch: fetchUncoded })
  const signal = AbortSignal.timeout(LOOK_TIMEOUT_MS)
  try {
    await client.connect(transport, { signal, timeout: LOOK_TIMEOUT_MS })
    return await everyPage((cursor) =>
      client.listTools(cursor === undefined ? {} : { cursor }, { signal, timeout: LOOK_TIMEOUT_MS }),
    )
  } catch {
    // The cause may quote a header or a body of the upstream's: it stays out of our message and out of the log.
    throw new GatewayError('upstream_unreachable', `The tools of the upstream "${upstream}" could not be listed.`)
  } finally {
    await transport.terminateSession().catch(() => undefined)
    await client.close().catch(() => undefined)
    lease.release()
  }
}

/** `fetch` would unpack what we asked not to be packed, and Node 20's Brotli decoder has a flaw without a fix there. */
async function fetchUncoded(url: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  if (!response.headers.has('content-encoding')) return response
  await response.body?.cancel()
  throw new GatewayError('upstream_bad_answer', 'The MCP server sent an encoded answer although asked not to.')
}

async function listStdioTools(
  { broker }: CatalogueOptions,
  upstream: string,
  source: Pick<StdioUpstream, 'tools'>,
): Promise<ReadonlyMap<string, JsonObject>> {
  const lease = await broker.lend(upstream)
  try {
    // The process goes on starting: a launcher that first fetches the program has it for the next look.
    return await inTime(
      everyPage((cursor) => source.tools(lease, cursor)),
      LOOK_TIMEOUT_MS,
      upstream,
    )
  } finally {
    lease.release()
  }
}

async function inTime<T>(looked: Promise<T>, withinMs: number, upstream: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new GatewayError('upstream_unreachable', `The upstream "${upstream}" did not list its tools in time.`)
    timer = setTimeout(() => reject(error), withinMs)
  })
  try {
    return await Promise.race([looked, late])
  } finally {
    clearTimeout(timer)
  }
}

async function everyPage(
  list: (cursor: string | undefined) => Promise<{ tools: readonly unknown[]; nextCursor?: string | undefined }>,
): Promise<ReadonlyMap<string, JsonObject>> {
  const tools = new Map<string, JsonObject>()
  let cursor: string | undefined
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await list(cursor)
    for (const tool of answer.tools as readonly JsonObject[]) tools.set(String(tool.name), tool)
    cursor = answer.nextCursor
    if (cursor === undefined) return tools
  }
  throw new GatewayError('upstream_bad_answer', `The MCP server lists more than ${PAGES_MAX} pages of tools.`)
}
