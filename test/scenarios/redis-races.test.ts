/**
 * Everything that can end an approval at the same time, from processes of their own over one real Redis: reviews of several
 * people (and of one by two accounts), the requester's cancel, the deadline's job, an escalation's, a freeze; then several
 * who take what it opened. Whatever the order in which they meet, thousands of times:
 *
 *   one end     one final state, made by one of them; each other one is told that it came too late
 *   one grant   opened by an approval alone, and taken once
 *   persons     a quorum of two are two people; nobody approves for themselves; a denial ends it
 *   versions    each change is one version, and nobody's change is lost
 *   recorded    the recording says of each how it ended, and of none that it ended in two ways
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once, setMaxListeners } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createGrants } from '../../jobs/grants.ts'
import { createHolds, type HoldsService } from '../../jobs/holds.ts'
import { startInbox } from '../../jobs/inbox.ts'
import { createStandingGrants } from '../../jobs/standing-grants.ts'
import type { Approval, ApprovalState } from '../../src/approval/approval.ts'
import type { ApprovalId, CallId } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import { standingGrantIdOf } from '../../src/grant/standing.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Grants, StandingGrants } from '../../src/ports.ts'
import { aFreshApproval } from '../support/approvals.ts'
import { aReviewer } from '../support/examples.ts'
import type { Move, MoveAnswer, Order, Take, Told } from '../support/race-process.ts'
import { silentLog as log, silentRecorder, startTestRedis, systemClock, type TestRedis } from '../support/redis.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'

const RACE_PROCESS = fileURLToPath(new URL('../../dist/test/support/race-process.js', import.meta.url))
const SEED = 20_261_124
const APPROVALS = 2_000
const BATCH = 100
/** By how many milliseconds each process' clock is wrong: as machines' are. */
const CLOCKS = [0, 12, -9]
const FOR_MS = 600_000

const die = seeded(SEED)
const chance = (percent: number) => die(100) < percent
const oneOf = <T>(list: readonly T[]): T => list[die(list.length)] as T

let server: TestRedis
let keyPrefix: string
let store: RedisApprovalStore
let holds: HoldsService
let grants: Grants
let standingGrants: StandingGrants
let racers: readonly Racer[] = []
const cleanups: (() => Promise<unknown>)[] = []

interface Racer {
  readonly child: ChildProcess
  ask(order: Order): Promise<Told>
}

beforeAll(async () => {
  server = await startTestRedis()
  keyPrefix = `races-${randomBytes(4).toString('hex')}`
  const redis = await server.connect(keyPrefix)
  const inbox = await startInbox(redis, log)
  store = createApprovalStore({ redis, inbox })
  grants = createGrants(redis, inbox.replica)
  standingGrants = createStandingGrants(redis)
  holds = createHolds({ redis, inbox, store, recorder: silentRecorder, clock: systemClock, log })
  cleanups.push(
    () => inbox.close(),
    () => holds.close(),
  )
  racers = await Promise.all(CLOCKS.map(startRacer))
})
afterAll(async () => {
  for (const { child } of racers) child.kill('SIGKILL')
  for (const cleanup of cleanups.reverse()) await cleanup()
  await server?.stop()
})

const recordings = () => path.join(server.directory, 'recordings')

async function startRacer(wrongByMs: number): Promise<Racer> {
  const child = fork(RACE_PROCESS, [server.url, keyPrefix, recordings(), String(wrongByMs)])
  const ended = new AbortController()
  setMaxListeners(0, ended.signal)
  child.once('exit', () => ended.abort(new Error('a process ended before it was told to')))
  const hear = async () => {
    const [told] = (await once(child, 'message', { signal: ended.signal })) as [Told]
    return told
  }
  await hear()
  return {
    child,
    ask(order) {
      const heard = hear()
      child.send(order)
      return heard
    },
  }
}

// ---- what is raced for

const BOB = aReviewer('bob@example.com')
/** The same person by another account. */
const BOB_TOO: Reviewer = { id: 'slack:T1:U2', email: 'bob@example.com', name: 'Robert' }
const CAROL = aReviewer('carol@example.com')
const DAVE = aReviewer('dave@example.com')
/** May review only what was escalated. */
const LENA = aReviewer('lena@example.com')

/** The deadlines of a batch fall while it is raced for, as long as that took the last time. */
function anApprovalOf(owner: string, raceMs: number): Approval {
  const now = Date.now()
  const dueInMs = chance(55) ? 150 + die(Math.max(100, raceMs)) : 20_000
  const isOld = chance(50)
  return aFreshApproval({
    principal: {
      id: principalId('https://issuer.example', owner),
      issuer: 'https://issuer.example',
      subject: owner,
      client: 'agent-client',
      email: owner,
    },
    from: ['dba'],
    quorum: chance(40) ? 2 : 1,
    allowForMs: chance(50) ? [FOR_MS, 2 * FOR_MS] : [],
    // One that was asked for long ago may be reminded of.
    requestedAt: epochMs(isOld ? now - 120_000 : now),
    expiresAt: epochMs(now + dueInMs),
    steps: chance(40)
      ? [{ type: 'escalate', at: epochMs(now + die(300)), doneAt: null, from: ['leads'], rooms: ['slack:C1'] }]
      : [],
  })
}

/** Each kind of what may happen to one approval, some of them from several people at once. */
function movesOn({ id: approvalId, principal, allowForMs }: Approval): readonly Move[] {
  const owner = String(principal.email)
  const move = (kind: Move['kind'], who: Reviewer): Move => {
    const forMs = kind === 'approve' && allowForMs.length > 0 && chance(70) ? oneOf(allowForMs) : null
    return { kind, approvalId, who, owner, allowForMs: forMs }
  }
  const requester = aReviewer(owner)
  return [
    move('approve', BOB),
    ...(chance(60) ? [move('approve', BOB_TOO)] : []),
    ...(chance(60) ? [move('approve', CAROL)] : []),
    ...(chance(30) ? [move('approve', LENA)] : []),
    ...(chance(25) ? [move('deny', DAVE)] : []),
    ...(chance(10) ? [move('deny', BOB)] : []),
    ...(chance(15) ? [move('cancel', requester)] : []),
    ...(chance(20) ? [move('approve', requester)] : []),
    ...(chance(10) ? [move('ask', CAROL)] : []),
    ...(chance(20) ? [move('remind', CAROL), move('remind', requester)] : []),
  ]
}

/** To the processes by chance, and each with an order of its own that strays by a few places. */
function dealt(moves: readonly Move[]): readonly (readonly Move[])[] {
  const hands = racers.map((): [number, Move][] => [])
  for (const [at, move] of moves.entries()) oneOf(hands).push([at + die(16), move])
  return hands.map((hand) => hand.sort(([a], [b]) => a - b).map(([, move]) => move))
}

// ---- the race

interface Raced {
  readonly asked: Approval
  readonly ended: Approval
  readonly answers: readonly { readonly move: Move; readonly answer: MoveAnswer }[]
}

async function race(number: number, raceMs: number) {
  const frozen = `frozen-${number}@example.com`
  const ownerOf = (at: number) => (at % 12 === 5 ? frozen : `owner-${number}-${at}@example.com`)
  const asked = await Promise.all(
    Array.from({ length: BATCH }, async (_, at) => {
      const approval = anApprovalOf(ownerOf(at), raceMs)
      await holds.open(approval)
      return approval
    }),
  )
  const moves = asked.flatMap((approval) => movesOn(approval))
  const stop: Move[] = [BOB, CAROL].map((who) => ({
    ...{ kind: 'freeze', who, owner: frozen, allowForMs: null },
    approvalId: (asked[0] as Approval).id,
  }))
  for (const move of stop) moves.splice(die(moves.length), 0, move)
  const waiting = asked.map(({ id }) => holds.wait(id, AbortSignal.timeout(60_000)))
  const began = Date.now()
  const made = await Promise.all(
    dealt(moves).map(async (hand, at) => {
      const told = await (racers[at] as Racer).ask({ type: 'race', moves: hand })
      if (told.type !== 'raced') throw new Error(`a process said ${told.type}`)
      return told.answers.map((answer, place) => ({ move: hand[place] as Move, answer }))
    }),
  )
  const tookMs = Date.now() - began
  const leftOver = await withdrawLeftOver(asked)
  const ended = await Promise.all(waiting)
  const answers = made.flat()
  const raced = asked.map((approval, at) => ({
    asked: approval,
    ended: ended[at] as Approval,
    answers: answers.filter(({ move }) => move.approvalId === approval.id && move.kind !== 'freeze'),
  }))
  const freezes = answers.filter(({ move }) => move.kind === 'freeze').map(({ answer }) => answer)
  return { raced, tookMs, leftOver, freezes }
}

/** What nobody decided, nor will before long: it ends with the batch. */
async function withdrawLeftOver(asked: readonly Approval[]): Promise<ReadonlySet<ApprovalId>> {
  const ids = new Set<ApprovalId>()
  await Promise.all(
    asked.map(async ({ id }) => {
      const withdrawn = await store.apply(id, { type: 'cancelled', reason: LEFT_OVER, at: systemClock.now() })
      if (withdrawn.ok) ids.add(id)
    }),
  )
  return ids
}

const LEFT_OVER = 'nobody decided it'

/** All at once take what each opened, and some take it back. */
async function takeAll(raced: readonly Raced[]): Promise<ReadonlyMap<ApprovalId, { takers: number; ends: number }>> {
  const counts = new Map(raced.map(({ asked }) => [asked.id, { takers: 0, ends: 0 }]))
  await Promise.all(
    racers.map(async (racer, at) => {
      const takes = raced.map(
        ({ asked: { id, fingerprint } }): Take => ({
          ...{ act: chance(12) ? 'revoke' : 'consume', approvalId: id, fingerprint },
          callId: `call_${at}_${id}` as CallId,
        }),
      )
      const told = await racer.ask({ type: 'take', takes })
      if (told.type !== 'taken') throw new Error(`a process said ${told.type}`)
      told.answers.forEach((isTaken, place) => {
        const { act, approvalId } = takes[place] as Take
        const count = counts.get(approvalId)
        if (isTaken && count !== undefined) count[act === 'consume' ? 'takers' : 'ends'] += 1
      })
    }),
  )
  return counts
}

// ---- what must hold

/** How each kind of click may be told that it changed nothing. */
const TOLD: Readonly<Record<Exclude<Move['kind'], 'freeze'>, readonly string[]>> = {
  approve: ['already_resolved', 'too_late'],
  deny: ['already_resolved', 'too_late'],
  cancel: ['already_resolved'],
  ask: ['already_resolved'],
  remind: ['already_resolved', 'reminded_lately'],
}
const MADE_BY: Readonly<Record<ApprovalState, readonly Move['kind'][]>> = {
  approved: ['approve'],
  denied: ['deny'],
  cancelled: ['cancel'],
  expired: [],
  pending: [],
}

function mayBeTold({ kind, who, owner }: Move, { quorum, reviews, steps }: Approval): readonly string[] {
  if (kind === 'freeze') return []
  if (kind === 'approve' && who.email === owner) return ['self_review', ...TOLD.approve]
  const more = [
    ...(who === LENA ? ['not_a_reviewer'] : []),
    // Of a person with two clicks the second is none.
    ...(reviews.some(({ reviewer }) => reviewer.email === who.email) && quorum > 1 ? ['already_reviewed'] : []),
  ]
  return steps.length === 0 && who === LENA ? ['not_a_reviewer', 'already_resolved'] : [...more, ...TOLD[kind]]
}

/** Sentences; none where all holds. */
function violations({ asked, ended, answers }: Raced, isLeftOver: boolean): string[] {
  const wrong: string[] = []
  const must = (sentence: string, holds: boolean) => {
    if (!holds) wrong.push(`${asked.id} (${ended.state}): ${sentence}`)
  }
  const { reviews, state, quorum } = ended
  const emails = new Set(reviews.map(({ reviewer }) => reviewer.email))
  must('it has ended', state !== 'pending')
  must('nobody counts twice', emails.size === reviews.length)
  must('its owner has no say', !emails.has(String(asked.principal.email)))
  const denials = reviews.filter(({ choice }) => choice === 'deny').length
  must('a denial is the last word', denials === (state === 'denied' ? 1 : 0))
  must('a denial is the last word', state !== 'denied' || reviews.at(-1)?.choice === 'deny')
  const approvals = reviews.length - denials
  must('it is approved by as many as it takes', state === 'approved' ? approvals === quorum : approvals < quorum)
  const isEscalated = ended.steps[0]?.doneAt != null
  must('who was asked by nobody has no say', isEscalated || !emails.has(LENA.email))
  const wishes = reviews.map(({ allowForMs }) => allowForMs)
  const least = wishes.includes(null) ? null : Math.min(...(wishes as number[]))
  must('the most careful approver says for how long', ended.allowedForMs === (state === 'approved' ? least : null))

  // One winner.
  const wins = answers.filter(({ answer }) => answer.ok && answer.state !== 'pending')
  const byFreeze = state === 'cancelled' && ended.cancelReason?.includes('has stopped every call') === true
  must('one made the end', wins.length === (state === 'expired' || byFreeze || isLeftOver ? 0 : 1))
  for (const { move, answer } of wins) {
    must('who made the end is told how it ended', answer.ok && answer.state === state)
    must('each end is made by its own kind', MADE_BY[state].includes(move.kind))
  }
  for (const { move, answer } of answers) {
    if (answer.ok) continue
    must(`${move.kind} is told ${answer.refusal} (${answer.state})`, mayBeTold(move, ended).includes(answer.refusal))
  }

  // Every change a version, no change lost.
  const steps = ended.steps.filter(({ doneAt }) => doneAt !== null).length
  const counted = reviews.length + steps + ended.reminders.count + ended.remarks.length
  const ends = state === 'expired' || state === 'cancelled' ? 1 : 0
  must('each change is one version', ended.version === asked.version + counted + ends)
  const versions = answers.flatMap(({ answer }) => (answer.ok && 'version' in answer ? [answer.version] : []))
  must('no two made the same version', new Set(versions).size === versions.length)
  const heard = answers.filter(({ answer, move }) => answer.ok && move.kind === 'approve').length
  must('whoever was told that it counts is in it', heard === approvals)
  return wrong
}

async function grantViolations({ ended }: Raced, { takers, ends }: { takers: number; ends: number }) {
  const wrong: string[] = []
  const must = (sentence: string, holds: boolean) => {
    if (!holds) wrong.push(`${ended.id} (${ended.state}): ${sentence}`)
  }
  const { id, state, allowedForMs } = ended
  const [single, standing] = await Promise.all([grants.get(grantIdOf(id)), standingGrants.get(standingGrantIdOf(id))])
  must('an approval alone opens a grant', (single !== null) === (state === 'approved'))
  must('it is taken once, or taken back once, or was taken back by the freeze', takers + ends <= 1)
  const isFrozen = ended.principal.email?.startsWith('frozen-') === true
  must('an opened grant could be taken', state !== 'approved' || isFrozen || takers + ends === 1)
  must('what is not approved is not taken', state === 'approved' || takers + ends === 0)
  must(
    'a grant for a while is what was chosen',
    (standing !== null) === (state === 'approved' && allowedForMs !== null),
  )
  if (standing !== null) {
    must('nothing stands that is frozen', standing.state === (isFrozen ? 'revoked' : 'active'))
    must('it ends when it was said to', standing.expiresAt === Number(ended.resolvedAt) + Number(allowedForMs))
  }
  return wrong
}

interface Line {
  readonly type: string
  readonly approval_id?: string
  readonly state?: string
}

async function recorded(): Promise<readonly Line[]> {
  const names = (await readdir(recordings())).filter((name) => name.endsWith('.ndjson'))
  const texts = await Promise.all(names.map((name) => readFile(path.join(recordings(), name), 'utf8')))
  return texts.flatMap((text) => text.split('\n').filter(Boolean)).map((line) => JSON.parse(line) as Line)
}

it('[REQ-RACE-1] thousands of approvals, raced for by processes: each ends once, and opens and records what it should', async () => {
  const began = Date.now()
  const wrong: string[] = []
  const ends: Record<string, number> = {}
  const all: Raced[] = []
  const leftOver = new Set<string>()
  let moves = 0
  let raceMs = 400
  let standing = 0
  for (let number = 0; all.length < APPROVALS; number++) {
    const batch = await race(number, raceMs)
    // A machine that is busy is raced on for longer.
    raceMs = batch.tookMs
    const counts = await takeAll(batch.raced)
    for (const raced of batch.raced) {
      const { ended, answers } = raced
      moves += answers.length
      const isLeftOver = batch.leftOver.has(ended.id)
      if (isLeftOver) leftOver.add(ended.id)
      wrong.push(...violations(raced, isLeftOver))
      wrong.push(...(await grantViolations(raced, counts.get(ended.id) ?? { takers: 0, ends: 0 })))
      const byFreeze = ended.cancelReason?.includes('has stopped') === true
      const how = isLeftOver ? 'leftOver' : byFreeze ? 'frozen' : ended.state
      ends[how] = (ends[how] ?? 0) + 1
      const isFrozen = ended.principal.email?.startsWith('frozen-') === true
      if (ended.state === 'approved' && ended.allowedForMs !== null && !isFrozen) standing += 1
    }
    const frozenHere = batch.raced.filter(({ ended }) => ended.cancelReason?.includes('has stopped')).length
    const said = batch.freezes.reduce((sum, one) => sum + (one.ok && 'ended' in one ? one.ended.approvals : -1_000), 0)
    if (said !== frozenHere) wrong.push(`freezes said that they ended ${said}, and ended ${frozenHere}`)
    all.push(...batch.raced)
  }
  const seconds = (Date.now() - began) / 1_000
  const steps = all.filter(({ ended }) => ended.steps.some(({ doneAt }) => doneAt !== null)).length
  console.log(JSON.stringify({ seed: SEED, approvals: all.length, moves, seconds, ends, escalated: steps, standing }))
  expect(wrong.slice(0, 20)).toEqual([])

  // Otherwise it was no race.
  for (const how of ['approved', 'denied', 'expired', 'cancelled', 'frozen']) {
    expect(ends[how], how).toBeGreaterThan(APPROVALS / 200)
  }
  expect(steps).toBeGreaterThan(APPROVALS / 200)
  expect((await standingGrants.listActive({ offset: 0, max: 1 })).total).toBe(standing)
  expect(await store.listPending()).toEqual([])

  const ended = new Map(all.map(({ ended: { id, state } }) => [id as string, state as string]))
  const lines = await until(
    'every end is recorded',
    async () => {
      const found = (await recorded()).filter(({ type }) => type === 'approval.resolved')
      const known = new Set(found.map(({ approval_id: id }) => id))
      return [...ended.keys()].every((id) => known.has(id) || leftOver.has(id)) && found
    },
    30_000,
  )
  expect(lines.filter(({ approval_id: id = '', state }) => ended.get(id) !== state)).toEqual([])
  await Promise.all(
    racers.map(async ({ child }) => {
      const gone = once(child, 'exit')
      child.send({ type: 'end' } satisfies Order)
      expect((await gone)[0]).toBe(0)
    }),
  )
}, 240_000)
