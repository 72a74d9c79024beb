/**
 * Measures contenders side by side: short rounds, each contender once in each, so that whatever else the machine does
 * meets all of them alike. Ratios are taken within a round and their median is told; figures of one run should be
 * compared with each other, and not with another machine's.
 */
import { createHistogram } from 'node:perf_hooks'
import type { Contender, Running } from './contenders.ts'
import { cpuTimeUs } from './cpu.ts'
import type { LoadReport } from './load.ts'

export type Name = Contender['name']

export interface Entrant {
  readonly contender: Contender
  /** Null where it can't be measured here. */
  readonly running: Running | null
  readonly why: string | null
}

export interface Row {
  readonly group: string
  readonly name: Name
  readonly title: string
  readonly rps: number | null
  readonly p50Us: number | null
  readonly p99Us: number | null
  /** The contender's own processor time a call; null where the system doesn't tell. */
  readonly cpuUs: number | null
  /** This contender's calls a second over the other's. */
  readonly ratios: { readonly direct: number | null; readonly nginx: number | null; readonly bare: number | null }
  readonly notMeasured?: string
}

export interface Plan {
  readonly group: string
  readonly rounds: number
  readonly sliceMs: number
  readonly run: (running: Running, forMs: number) => Promise<LoadReport>
  readonly progress: (line: string) => void
}

interface Slice {
  readonly report: LoadReport
  readonly cpuUs: number | null
}

export async function measure(entrants: readonly Entrant[], plan: Plan): Promise<readonly Row[]> {
  const slices = new Map<Name, Slice[]>(entrants.map(({ contender }) => [contender.name, []]))
  for (let round = 0; round < plan.rounds; round++) {
    // Each round begins with another contender: none is always the one that follows the heaviest.
    const order = entrants.map((_entrant, index) => entrants[(index + round) % entrants.length] as Entrant)
    for (const { contender, running } of order) {
      if (running === null) continue
      slices.get(contender.name)?.push(await measureSlice(contender, running, plan))
    }
    plan.progress(`round ${round + 1} of ${plan.rounds}: ${describeRound(entrants, slices, round)}`)
  }
  return entrants.map((entrant) => rowOf(entrant, slices, plan.group))
}

async function measureSlice(contender: Contender, running: Running, plan: Plan): Promise<Slice> {
  const before = cpuTimeUs(running.pid)
  try {
    const report = await plan.run(running, plan.sliceMs)
    const after = cpuTimeUs(running.pid)
    return { report, cpuUs: before === null || after === null ? null : after - before }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${contender.title} answered wrongly: ${why}`, { cause })
  }
}

function rowOf({ contender, why }: Entrant, slices: ReadonlyMap<Name, readonly Slice[]>, group: string): Row {
  const own = slices.get(contender.name) ?? []
  const head = { group, name: contender.name, title: contender.title }
  if (own.length === 0) {
    const nothing = { rps: null, p50Us: null, p99Us: null, cpuUs: null }
    return {
      ...head,
      ...nothing,
      ratios: { direct: null, nginx: null, bare: null },
      notMeasured: why ?? 'no round ran',
    }
  }
  const latencies = createHistogram({ lowest: 1, highest: Number.MAX_SAFE_INTEGER, figures: 3 })
  for (const { report } of own) latencies.add(report.histogram)
  const calls = sum(own.map(({ report }) => report.calls))
  const cpu = own.map(({ cpuUs }) => cpuUs)
  const ratioTo = (other: Name) => ratio(own, slices.get(other) ?? [])
  return {
    ...head,
    rps: Math.round((calls / sum(own.map(({ report }) => report.tookMs))) * 1000),
    p50Us: Math.round(latencies.percentile(50) / 1000),
    p99Us: Math.round(latencies.percentile(99) / 1000),
    cpuUs: cpu.every((each) => each !== null) ? Math.round(sum(cpu) / calls) : null,
    ratios: { direct: ratioTo('direct'), nginx: ratioTo('nginx'), bare: ratioTo('bare') },
  }
}

/** The median of the rounds' ratios. */
function ratio(own: readonly Slice[], other: readonly Slice[]): number | null {
  const ratios = own.flatMap((slice, round) => {
    const peer = other[round]
    return peer === undefined ? [] : [rpsOf(slice) / rpsOf(peer)]
  })
  if (ratios.length === 0) return null
  const sorted = ratios.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : sum(sorted.slice(middle - 1, middle + 1)) / 2
  return Math.round((median as number) * 100) / 100
}

function describeRound(
  entrants: readonly Entrant[],
  slices: ReadonlyMap<Name, readonly Slice[]>,
  round: number,
): string {
  return entrants
    .flatMap(({ contender: { name } }) => {
      const slice = slices.get(name)?.[round]
      return slice === undefined ? [] : [`${name} ${Math.round(rpsOf(slice))}`]
    })
    .join(', ')
}

function rpsOf({ report }: Slice): number {
  return (report.calls / report.tookMs) * 1000
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
