/**
 * What a held call costs, and how soon its agent hears of the decision: many calls held at once by one process, each
 * another call of one of many people, as when a team's agents all wait for their on-call.
 *
 * The wake-up is measured from the reviewer's click to the last byte of the agent's answer: the review's own checks and
 * record, the fence, a look at the tool's definition, the intent on the disk and the upstream's answer are all in it.
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { openConsole } from '../demo/console-reviewer.ts'
import { cpuTimeUs } from './cpu.ts'
import { type Countersign, startCountersign, upstreamAt } from './gateway.ts'
import { ANSWER_MARK, callHeaders, TOOL } from './mcp-call.ts'

/** Few people who hold much, and enough routes for the limit of each. */
const HOLDS_PER_PERSON = 150
const ROUTES = ['bench', 'bench-2', 'bench-3'] as const
/** Calls that are being opened at one time: what is measured is holding, not a burst of opening. */
const OPENING_MAX = 64
const IDLE_MS = 10_000
const SINGLE_CLICKS = 300
const BURST_CLICKS = 1_000
const OPEN_TIMEOUT_MS = 60_000
const WAKE_TIMEOUT_MS = 60_000

export interface HoldsReport {
  readonly group: 'held call'
  readonly name: 'countersign'
  readonly holds: number
  /** Resident memory of the gateway's process for each hold; null where the system doesn't tell. */
  readonly bytesPerHold: number | null
  /** The process' share of one core while it does nothing but hold. */
  readonly idleCpuPercent: number | null
  /** To open one, milliseconds of the gateway's processor. */
  readonly openCpuUs: number | null
  /** Clicked one after another, while all others stay held. */
  readonly p50Us: number
  readonly p99Us: number
  /** Clicked all at once. */
  readonly burst: { readonly clicks: number; readonly p50Us: number; readonly p99Us: number }
}

interface Held {
  readonly approvalId: string
  /** Resolves at the answer's last byte. */
  readonly answered: Promise<number>
  destroy(): void
}

export async function measureHolds(options: {
  readonly holds: number
  readonly upstream: string
  readonly directory: string
  readonly progress: (line: string) => void
}): Promise<HoldsReport> {
  const { holds, upstream, directory, progress } = options
  const logins = Array.from({ length: Math.ceil(holds / HOLDS_PER_PERSON) }, (_, index) => `agent-${index}@example.com`)
  const gateway = await startCountersign({
    home: join(directory, 'holds'),
    upstream,
    logins,
    policy: POLICY,
    settings: {
      holds: { defaultBudget: '4h', maxPerAgent: 2 * HOLDS_PER_PERSON },
      upstreams: Object.fromEntries(ROUTES.map((name) => [name, upstreamAt(upstream)])),
      channels: { console: { reviewer: 'reviewer@example.com' } },
    },
    progress,
  })
  const open: Held[] = []
  try {
    const [, link] = await gateway.started.line(/(http:\S+\/console\/open\?code=\S+)/)
    const reviewer = await openConsole(String(link))
    const doors = await Promise.all(logins.map((login, index) => doorOf(gateway, login, index)))
    const before = figuresOf(gateway)
    await openAll({ doors, holds, open, progress })
    const opened = figuresOf(gateway)
    await pause(IDLE_MS)
    const idle = figuresOf(gateway)
    progress(`approving ${SINGLE_CLICKS} of them one by one, then ${BURST_CLICKS} at once`)
    const approve = async (held: Held | undefined): Promise<number> => {
      if (held === undefined) throw new Error('fewer calls are held than are to be approved')
      const clickedAt = performance.now()
      const { status, body } = await reviewer.click(held.approvalId, 'approve')
      if (body.ok !== true) throw new Error(`the click was refused (${status}): ${body.message}`)
      return (await held.answered) - clickedAt
    }
    const single = wakeUps()
    for (let click = 0; click < Math.min(SINGLE_CLICKS, holds / 2); click++) single.add(await approve(open.pop()))
    const clicks = Math.min(BURST_CLICKS, open.length)
    const burst = wakeUps()
    const burstTimes = await Promise.all(open.splice(0, clicks).map(approve))
    for (const ms of burstTimes) burst.add(ms)
    return {
      group: 'held call',
      name: 'countersign',
      holds,
      bytesPerHold: difference(idle.rssBytes, before.rssBytes, holds),
      idleCpuPercent: difference(idle.cpuUs, opened.cpuUs, IDLE_MS * 10),
      openCpuUs: difference(opened.cpuUs, before.cpuUs, holds),
      ...single.figures(),
      burst: { clicks, ...burst.figures() },
    }
  } finally {
    for (const held of open) held.destroy()
    await gateway.stop()
  }
}

const POLICY = JSON.stringify({
  version: 1,
  defaults: { effect: 'deny' },
  rules: [
    { id: 'ask', match: { upstream: 'bench*', tool: TOOL }, effect: 'require_approval', approval: { deadline: '4h' } },
  ],
})

/** One person's agent, and the route that it calls. */
interface Door {
  readonly url: string
  readonly token: string
}

async function doorOf({ mcp, tokenFor }: Countersign, login: string, index: number): Promise<Door> {
  const url = new URL(ROUTES[index % ROUTES.length] as string, mcp).href
  return { url, token: await tokenFor(login, url) }
}

async function openAll(plan: {
  doors: readonly Door[]
  holds: number
  open: Held[]
  progress: (line: string) => void
}): Promise<void> {
  const { doors, holds, open, progress } = plan
  const agent = new http.Agent({ keepAlive: false })
  let next = 0
  const opening = async () => {
    while (next < holds) {
      const index = next++
      open.push(await hold(doors[index % doors.length] as Door, agent, index))
      if (open.length % 1_000 === 0) progress(`${open.length} of ${holds} calls are held`)
    }
  }
  await Promise.all(Array.from({ length: OPENING_MAX }, opening))
}

/** Resolves when the call is held: the gateway then names its approval. */
function hold({ url, token }: Door, agent: http.Agent, index: number): Promise<Held> {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: index,
    method: 'tools/call',
    params: {
      name: TOOL,
      arguments: { path: `/handbook/page-${index}.md` },
      _meta: {
        progressToken: index,
        'io.modelcontextprotocol/protocolVersion': callHeaders['mcp-protocol-version'],
        'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  })
  const headers = {
    ...callHeaders,
    authorization: `Bearer ${token}`,
    'content-length': String(Buffer.byteLength(body)),
  }
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', agent, headers })
    const timer = setTimeout(() => request.destroy(new Error('a call was not held in time')), OPEN_TIMEOUT_MS)
    let text = ''
    let answer: { resolve(at: number): void; reject(error: Error): void } | undefined
    const answered = new Promise<number>((fulfil, fail) => {
      answer = { resolve: fulfil, reject: fail }
    })
    // Those that nobody approves are cut off at the end, and nobody waits for them.
    answered.catch(() => undefined)
    const fail = (error: Error) => {
      clearTimeout(timer)
      reject(error)
      answer?.reject(error)
    }
    request.on('error', fail)
    request.on('response', (response) => {
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        const approvalId = /approval (apr_[a-z2-7]+)/.exec(text)?.[1]
        if (approvalId === undefined) return
        clearTimeout(timer)
        resolve({ approvalId, answered, destroy: () => request.destroy() })
      })
      response.on('end', () => {
        if (text.includes(ANSWER_MARK)) answer?.resolve(performance.now())
        else fail(new Error(`HTTP ${response.statusCode}: ${text.slice(0, 300)}`))
      })
      response.on('error', fail)
    })
    request.end(body)
  })
}

function wakeUps() {
  const histogram = createHistogram({ lowest: 1, highest: WAKE_TIMEOUT_MS * 1_000, figures: 3 })
  return {
    add: (ms: number) => histogram.record(Math.max(1, Math.round(ms * 1_000))),
    figures: () => ({ p50Us: histogram.percentile(50), p99Us: histogram.percentile(99) }),
  }
}

function figuresOf({ pid }: Countersign): { rssBytes: number | null; cpuUs: number | null } {
  return { rssBytes: rssBytes(pid), cpuUs: cpuTimeUs(pid) }
}

/** proc(5): `VmRSS`, in kB. */
function rssBytes(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kilobytes === undefined ? null : Number(kilobytes) * 1_024
  } catch {
    return null
  }
}

function difference(after: number | null, before: number | null, by: number): number | null {
  return after === null || before === null ? null : Math.round(((after - before) / by) * 10) / 10
}
