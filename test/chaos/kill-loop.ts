/**
 * Agents call, a person decides, and the gateway is killed again and again at a random instant around each step of a
 * hold. Whoever lost their connection comes back with the identical call until they know how it ended. What must hold
 * whatever the instant, told from what reached the upstream and from what people clicked:
 *
 *   once        no call reaches the upstream twice, unless two wanted it and people approved it twice
 *   approved    none reaches it that nobody approved, or that was denied
 *   not lost    an approval that a person was told counts is never asked for again, unless it was used up without a run
 *   told        every agent hears how its call ended, and what it hears is what happened
 *   known       in the end nobody is asked about anything any more
 *
 * The person is truthful: asked whether a lost call ran, they look at what the upstream saw.
 */
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ConsoleReviewer, ShownCard } from '../../demo/console-reviewer.ts'
import { approvalKeys } from '../../jobs/approvals/keys.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import type { RawAnswer } from '../support/one-call.ts'
import { rawCall } from '../support/one-call.ts'
import { until } from '../support/until.ts'
import type { Chance } from './random.ts'
import { createChance } from './random.ts'

/** Each step as it can be seen from outside; the gateway is killed a moment after it. */
const STEPS = [
  'call sent',
  'card shown',
  'click sent',
  'upstream has it',
  'upstream answered',
  'agent answered',
] as const
type Step = (typeof STEPS)[number]

const AGENTS = 6
/** From the click to the answer it takes some ten milliseconds. */
const JITTER_MAX_MS = 30
const UPSTREAM_TAKES_MAX_MS = 40
const DENIED_SHARE = 0.15
const TWIN_SHARE = 0.25
/** Without the step that it waits for, a round tries another one. */
const STEP_WAIT_MS = 10_000
const LOOK_EVERY_MS = 25
const BACK_AFTER_MS = 100
const END_WAIT_MS = 120_000

export interface Figures {
  readonly seed: number
  readonly rounds: number
  readonly calls: number
  readonly sentUpstream: number
  readonly kills: Readonly<Record<Step, number>>
  /** How the agents heard of the end. */
  readonly heard: Readonly<Record<Ending, number>>
  /** Lost calls that people were asked about. */
  readonly saidRan: number
  readonly saidNotRun: number
  readonly cards: number
  readonly seconds: number
  /** Sentences; none where all that must hold did hold. */
  readonly violations: readonly string[]
}

type Ending = 'answered' | 'replayed' | 'answer lost' | 'denied'

interface Loop {
  readonly world: World
  readonly gateway: Gateway
  readonly chance: Chance
  readonly names: Map<string, Name>
  readonly violations: string[]
  readonly steps: Map<Step, Set<() => void>>
  readonly said: { ran: number; notRun: number; cards: Set<string> }
  isOver: boolean
}

/**
 * One call that someone wants made, however often it is sent. Twins are two who want the same at the same time: they
 * share one card and one run, but once one of them has its answer, the other who lost its connection asks anew.
 */
interface Name {
  readonly name: string
  readonly isDenied: boolean
  seen: number
  mayBeSeen: number
  /** How many of the twins know how it ended. */
  heard: number
  /** Approvals of which a person was told that they count, and those that are used up without a run. */
  readonly counted: Set<string>
  usedUp: number
  clicked: boolean
  /** By approval: how often it had been seen when people were asked first. */
  readonly seenWhenAsked: Map<string, number>
}

export async function runKillLoop(options: {
  readonly rounds: number
  readonly seed: number
  readonly log?: (line: string) => void
}): Promise<Figures> {
  const startedAt = Date.now()
  const world = await startWorld()
  try {
    const gateway = await world.startGateway()
    const loop: Loop = {
      world,
      gateway,
      chance: createChance(options.seed),
      names: new Map(),
      violations: [],
      steps: new Map(STEPS.map((step) => [step, new Set()])),
      said: { ran: 0, notRun: 0, cards: new Set() },
      isOver: false,
    }
    answerForUpstream(loop)
    const heard: Record<Ending, number> = { answered: 0, replayed: 0, 'answer lost': 0, denied: 0 }
    const agents = Array.from({ length: AGENTS }, (_, i) => agent(loop, i, heard))
    const person = decideAll(loop)
    const kills = await killAll(loop, options)
    loop.isOver = true
    await within(END_WAIT_MS, Promise.all(agents), () =>
      loop.violations.push('an agent never heard how its call ended'),
    )
    await person.untilNothingIsAsked().catch((error: unknown) => loop.violations.push(String(error)))
    await person.stop()
    checkEnd(loop, await gateway.events())
    const seconds = Math.round((Date.now() - startedAt) / 1_000)
    const { names, violations, said } = loop
    const sentUpstream = [...names.values()].reduce((sum, { seen }) => sum + seen, 0)
    return {
      seed: options.seed,
      rounds: options.rounds,
      calls: names.size,
      sentUpstream,
      kills,
      heard,
      saidRan: said.ran,
      saidNotRun: said.notRun,
      cards: said.cards.size,
      seconds,
      violations,
    }
  } finally {
    await world.close()
  }
}

// ---- the killer

async function killAll(
  loop: Loop,
  { rounds, log }: { readonly rounds: number; readonly log?: (line: string) => void },
): Promise<Record<Step, number>> {
  const kills = Object.fromEntries(STEPS.map((step) => [step, 0])) as Record<Step, number>
  for (let round = 0; round < rounds; ) {
    const step = loop.chance.one(STEPS)
    if (!(await happens(loop, step))) continue
    await pause(loop.chance.next() * JITTER_MAX_MS)
    await loop.gateway.kill()
    kills[step] += 1
    round += 1
    log?.(`round ${round}: killed after "${step}"; ${loop.names.size} calls, ${loop.violations.length} violations`)
    await forgetHeartbeats(loop)
    await loop.gateway.restart()
  }
  return kills
}

function happens(loop: Loop, step: Step): Promise<boolean> {
  const listeners = loop.steps.get(step) ?? new Set()
  return new Promise((resolve) => {
    const finish = (happened: boolean) => {
      clearTimeout(timer)
      listeners.delete(hear)
      resolve(happened)
    }
    const hear = () => finish(true)
    const timer = setTimeout(finish, STEP_WAIT_MS, false)
    listeners.add(hear)
  })
}

function happened(loop: Loop, step: Step): void {
  for (const listener of loop.steps.get(step) ?? []) listener()
}

/** It is known to be dead: nobody need wait until its heartbeat has run out. */
async function forgetHeartbeats({ world, gateway }: Loop): Promise<void> {
  const redis = await world.redis.connect(path.basename(gateway.directory))
  const keys = await redis.call('KEYS', approvalKeys(redis).heartbeat('*').replace(/[{}]/g, '?'))
  if (Array.isArray(keys) && keys.length > 0) await redis.call('DEL', ...(keys as string[]))
  await redis.close()
}

// ---- the upstream

function answerForUpstream(loop: Loop): void {
  loop.world.tap.intercept = ({ body }, response) => {
    const name = /call-[0-9]+-[0-9]+/.exec(body)?.[0]
    const known = name === undefined ? undefined : loop.names.get(name)
    if (known === undefined || !body.includes('"tools/call"')) return false
    known.seen += 1
    if (known.seen > known.mayBeSeen) loop.violations.push(`${name} reached the upstream ${known.seen} times`)
    if (!known.clicked) loop.violations.push(`${name} reached the upstream although nobody had approved it`)
    happened(loop, 'upstream has it')
    const { id } = JSON.parse(body) as { id: unknown }
    const json = JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: `made ${name}` }] } })
    setTimeout(() => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(json)
      happened(loop, 'upstream answered')
    }, loop.chance.next() * UPSTREAM_TAKES_MAX_MS)
    return true
  }
}

// ---- the agents

async function agent(loop: Loop, number: number, heard: Record<Ending, number>): Promise<void> {
  for (let count = 0; !loop.isOver; count += 1) {
    const name = `call-${number}-${count}`
    const isDenied = loop.chance.next() < DENIED_SHARE
    const known: Name = {
      name,
      isDenied,
      seen: 0,
      mayBeSeen: isDenied ? 0 : 1,
      heard: 0,
      counted: new Set(),
      usedUp: 0,
      clicked: false,
      seenWhenAsked: new Map(),
    }
    loop.names.set(name, known)
    const twins = loop.chance.next() < TWIN_SHARE ? 2 : 1
    const endings = await Promise.all(Array.from({ length: twins }, () => callUntilKnown(loop, known)))
    for (const ending of endings) {
      heard[ending] += 1
      checkEnding(loop, known, ending)
    }
  }
}

async function callUntilKnown(loop: Loop, known: Name): Promise<Ending> {
  for (let id = 1; ; id += 1) {
    try {
      const sent = rawCall(loop.gateway, { id, tool: 'write_file', arguments: argumentsOf(known) })
      happened(loop, 'call sent')
      const answer = await sent
      happened(loop, 'agent answered')
      const ending = endingOf(answer)
      if (ending !== null) {
        known.heard += 1
        return ending
      }
      // A fault is told once, and then the call is a new one.
      if (answer.error !== undefined) known.usedUp += 1
    } catch {
      // The gateway is gone, or was not ready yet.
    }
    await pause(BACK_AFTER_MS)
  }
}

const argumentsOf = ({ name }: Name) => ({ path: `/nowhere/${name}`, content: 'x' })

/** Null where its agent has to come back. */
function endingOf({ result }: RawAnswer): Ending | null {
  const text = result?.content[0]?.text ?? ''
  if (text.startsWith('made ')) {
    return result?._meta?.['dev.countersign/decision'] === undefined ? 'answered' : 'replayed'
  }
  if (text.includes('but its answer is lost')) return 'answer lost'
  return text.startsWith('Denied by a reviewer') ? 'denied' : null
}

function checkEnding({ violations }: Loop, { name, isDenied, seen, mayBeSeen }: Name, ending: Ending): void {
  if ((ending === 'denied') !== isDenied)
    violations.push(`${name} was told "${ending}", but people had decided otherwise`)
  const isTrue = isDenied ? seen === 0 : seen >= 1 && seen <= mayBeSeen
  if (!isTrue) violations.push(`${name} was told "${ending}", but reached the upstream ${seen} times`)
}

// ---- the person

interface Opened {
  readonly process: unknown
  readonly reviewer: ConsoleReviewer
}

function decideAll(loop: Loop): { untilNothingIsAsked(): Promise<void>; stop(): Promise<void> } {
  let isStopped = false
  let opened: Opened | null = null
  /** Looks at which nothing was asked, one after the other. */
  let emptyLooks = 0
  const open = async (): Promise<Opened> => {
    const { process } = loop.gateway
    return { process, reviewer: await loop.gateway.console() }
  }
  const deciding = (async () => {
    while (!isStopped) {
      try {
        // Each start prints a new link.
        if (opened?.process !== loop.gateway.process) opened = await open()
        const { reviewer } = opened
        const { pending } = (await reviewer.state()).json
        emptyLooks = pending.length === 0 ? emptyLooks + 1 : 0
        await Promise.all(pending.map((card) => decide(loop, reviewer, card)))
      } catch {
        // The gateway is gone, and the next start opens another console.
      }
      await pause(LOOK_EVERY_MS)
    }
  })()
  return {
    untilNothingIsAsked: async () => {
      emptyLooks = 0
      await until('nobody is asked anything any more', () => emptyLooks > 1)
    },
    async stop() {
      isStopped = true
      await deciding
    },
  }
}

async function decide(loop: Loop, reviewer: ConsoleReviewer, card: ShownCard): Promise<void> {
  const { approvalId } = card
  const name =
    card.arguments
      .find((argument) => argument.name === 'path')
      ?.value.split('/')
      .at(-1) ?? ''
  const known = loop.names.get(name)
  if (known === undefined) return void loop.violations.push(`a card for an unknown call: ${name}`)
  if (card.asksWhetherItRan) return sayWhetherItRan(loop, reviewer, { approvalId, known })
  if (!loop.said.cards.has(approvalId)) {
    loop.said.cards.add(approvalId)
    known.seenWhenAsked.set(approvalId, known.seen)
    askedAgain(loop, known)
    happened(loop, 'card shown')
  }
  known.clicked ||= !known.isDenied
  const click = reviewer.click(approvalId, known.isDenied ? 'deny' : 'approve')
  happened(loop, 'click sent')
  const { body } = await click
  if (body.ok && !known.isDenied) known.counted.add(approvalId)
}

/** A card, the first one or another, is shown for the first time. */
function askedAgain({ violations }: Loop, known: Name): void {
  // The other twin asks, who lost its connection: its is another call by now, whether or not the first click was heard of.
  if (known.heard > 0) known.mayBeSeen += known.isDenied ? 0 : 1
  else if (known.counted.size > known.usedUp)
    violations.push(`${known.name} was asked again although its approval counted`)
}

async function sayWhetherItRan(
  loop: Loop,
  reviewer: ConsoleReviewer,
  { approvalId, known }: { readonly approvalId: string; readonly known: Name },
): Promise<void> {
  const ran = known.seen > (known.seenWhenAsked.get(approvalId) ?? 0)
  // Counted before: the answer may be lost, and the next question come before anyone knows.
  if (!ran) known.usedUp += 1
  const { body } = await reviewer.resolveRun(approvalId, ran)
  if (!body.ok) return
  if (ran) loop.said.ran += 1
  else loop.said.notRun += 1
}

// ---- the end

/** Every call that reached the upstream has its intent in the recording, under an approval of its own. */
function checkEnd({ names, violations }: Loop, events: readonly Readonly<Record<string, unknown>>[]): void {
  const intents = new Map<string, number>()
  const approvals = new Set<string>()
  for (const event of events) {
    if (event.type !== 'call.intent' || typeof event.approval_id !== 'string') continue
    const { path: where } = event.arguments as { readonly path?: string }
    const name = where?.split('/').at(-1) ?? ''
    intents.set(name, (intents.get(name) ?? 0) + 1)
    if (approvals.has(event.approval_id)) violations.push(`${event.approval_id} was used twice, for ${name}`)
    approvals.add(event.approval_id)
  }
  for (const { name, seen } of names.values()) {
    if (seen > (intents.get(name) ?? 0)) violations.push(`${name} reached the upstream without a recorded intent`)
  }
}

async function within(ms: number, work: Promise<unknown>, tooLate: () => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      tooLate()
      resolve()
    }, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
