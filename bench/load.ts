/**
 * Sends the same call over a fixed number of connections, each as soon as the one before is answered, for a given
 * time; answers the latencies. In a thread of its own, so that what the bench does besides can't delay it.
 *
 * Each answer is looked at: an error page served fast must not win.
 */
import http from 'node:http'
import type { RecordableHistogram } from 'node:perf_hooks'
import { createHistogram } from 'node:perf_hooks'
import { parentPort, Worker } from 'node:worker_threads'
import { ANSWER_MARK, callBody } from './mcp-call.ts'

export interface LoadOrder {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly forMs: number
}

export interface LoadReport {
  readonly calls: number
  readonly tookMs: number
  /** Latencies in nanoseconds. */
  readonly histogram: RecordableHistogram
}

type Told = { readonly report: LoadReport } | { readonly failure: string }

/** The side that orders. Rejects at the first wrong answer. */
export function startLoad(): { run(order: LoadOrder): Promise<LoadReport>; stop(): Promise<void> } {
  const worker = new Worker(new URL(import.meta.url))
  return {
    run(order) {
      return new Promise((resolve, reject) => {
        const settle = (act: () => void) => {
          worker.off('message', told)
          worker.off('error', failed)
          act()
        }
        const told = (message: Told) =>
          settle(() => ('report' in message ? resolve(message.report) : reject(new Error(message.failure))))
        const failed = (error: unknown) => settle(() => reject(error))
        worker.on('message', told)
        worker.on('error', failed)
        worker.postMessage(order)
      })
    },
    stop: async () => void (await worker.terminate()),
  }
}

parentPort?.on('message', (order: LoadOrder) => {
  generate(order).then(
    (report) => parentPort?.postMessage({ report } satisfies Told),
    (error) =>
      parentPort?.postMessage({ failure: error instanceof Error ? error.message : String(error) } satisfies Told),
  )
})

/** A call that takes longer than this is a fault, not a latency. */
const CALL_TIMEOUT_MS = 10_000
const HISTOGRAM_MAX_NS = CALL_TIMEOUT_MS * 1e6

const agents = new Map<string, http.Agent>()

async function generate({ url, headers, connections, forMs }: LoadOrder): Promise<LoadReport> {
  const histogram = createHistogram({ lowest: 1, highest: HISTOGRAM_MAX_NS, figures: 3 })
  const agent = agents.get(url) ?? new http.Agent({ keepAlive: true, maxSockets: connections })
  agents.set(url, agent)
  const { hostname, port, pathname } = new URL(url)
  const options: http.RequestOptions = {
    ...{ agent, hostname, port, path: pathname, method: 'POST', timeout: CALL_TIMEOUT_MS },
    headers: { ...headers, 'content-length': String(Buffer.byteLength(callBody)) },
  }
  const startedAt = performance.now()
  const until = startedAt + forMs
  let calls = 0
  const connection = async () => {
    while (performance.now() < until) {
      const before = process.hrtime.bigint()
      await call(options)
      histogram.record(process.hrtime.bigint() - before)
      calls += 1
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  return { calls, tookMs: performance.now() - startedAt, histogram }
}

function call(options: http.RequestOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        if (response.statusCode === 200 && text.includes(ANSWER_MARK)) resolve()
        else reject(new Error(`HTTP ${response.statusCode}: ${text.slice(0, 300)}`))
      })
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer in ${CALL_TIMEOUT_MS} ms`)))
    request.on('error', reject)
    request.end(callBody)
  })
}
