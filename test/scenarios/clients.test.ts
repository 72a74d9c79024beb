/**
 * Real clients from npm, each through a hold that lasts longer than it waits for an answer: by the rung of the ladder
 * that its client can stand, it has the one result, and the upstream has seen the call once.
 *
 * Nothing is shortened here: every one of these clients gives a call up after 60 s, a leg's and a budget's 45 s are the
 * product's own. So they all wait at once, and one wait serves them all.
 */
import { setMaxListeners } from 'node:events'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import type { RealClient } from '../support/real-clients.ts'
import {
  inspectorCli,
  installRealClients,
  MODERN,
  mcpRemote,
  PROGRESS,
  PROGRESS_THAT_RESETS,
  sdkV1,
  sdkV2,
} from '../support/real-clients.ts'
import { until } from '../support/until.ts'

/** How one call of a client ended. `time-out`: the client gave up by itself, and its agent saw an error. */
type Ending = 'result' | 'pending' | 'time-out'

interface Row {
  readonly sentence: string
  readonly make: () => Promise<RealClient>
  /** Of its calls, one after the other with identical arguments, until one has the result. Repeats count once. */
  readonly endings: readonly Ending[]
  readonly isProgram?: boolean
}

const ONE_RESULT: readonly Ending[] = ['result']
/** Nothing that the gateway can see tells it in time how long this client waits; the question outlives the time-out. */
const GIVES_UP_ONCE: readonly Ending[] = ['time-out', 'result']

const ROWS: readonly Row[] = [
  { sentence: 'SDK v1 that shows progress', make: () => sdkV1('progress', PROGRESS), endings: GIVES_UP_ONCE },
  {
    sentence: 'SDK v1 that waits on as long as there is progress',
    make: () => sdkV1('progress resets', PROGRESS_THAT_RESETS),
    endings: ONE_RESULT,
  },
  { sentence: 'SDK v2 in 2026-07-28', make: () => sdkV2('2026-07-28', MODERN), endings: ONE_RESULT },
  {
    sentence: 'SDK v2 in 2026-07-28 that shows progress',
    make: () => sdkV2('2026-07-28 with progress', MODERN, PROGRESS),
    endings: ONE_RESULT,
  },
  {
    sentence: 'the Inspector’s command line, modern',
    make: () => inspectorCli('modern'),
    endings: ONE_RESULT,
    isProgram: true,
  },
  {
    // It comes as a client of 2026-07-28 and goes the rounds, for an application that gives up meanwhile.
    sentence: 'mcp-remote that speaks 2026-07-28 for a client that doesn’t',
    make: () => mcpRemote('auto'),
    endings: GIVES_UP_ONCE,
    isProgram: true,
  },
]

/** From when the last of them called: now the time-out of each is over. */
const WAIT_MS = 65_000
/** Two more than any of them needs: what goes round for ever is to fail, not to hang. */
const CALLS_MAX = 4

/** No rule but the one that holds, and a deadline that nobody meets here. */
const POLICY = `
version: 1
defaults: { effect: deny }
rules:
  - { id: writing, match: { upstream: files, tool: write_file }, effect: require_approval, approval: { deadline: 15m } }
`

interface Outcome {
  readonly client: string
  readonly endings: readonly Ending[]
  readonly texts: readonly string[]
  /** How long the call that has the result was under way. */
  readonly lastCallMs: number
}

let world: World
let gateway: Gateway
let outcomes: ReadonlyMap<Row, Outcome>
let whyNoPrograms: string | null = null
const over = new AbortController()

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway({ policy: POLICY })
  const reviewer = await gateway.console()
  const token = await gateway.token()
  whyNoPrograms = await installRealClients().then(
    () => null,
    (error: Error) => error.message,
  )
  const rows = ROWS.filter(({ isProgram }) => isProgram !== true || whyNoPrograms === null)
  setMaxListeners(0, over.signal)
  const clients = await Promise.all(rows.map(async (row) => ({ row, client: await row.make() })))
  const begin = (these: typeof clients) =>
    these.map(async ({ row, client }) => [row, await callUntilDone(row, client, token)] as const)
  // The programs take seconds to start on a busy machine. The others wait for them, so that all wait alike.
  const programs = clients.filter(({ row }) => row.isProgram === true)
  const waiting = begin(programs)
  await untilHeld(reviewer, programs.length)
  waiting.push(...begin(clients.filter(({ row }) => row.isProgram !== true)))
  await untilHeld(reviewer, clients.length)
  await pause(WAIT_MS)
  await approveAll(reviewer, rows)
  outcomes = new Map(await Promise.all(waiting))
}, 360_000)

afterAll(async () => {
  over.abort()
  await world?.close()
})

const fileOf = (row: Row) => path.join(world.files, `client-${ROWS.indexOf(row)}.txt`)
const argumentsOf = (row: Row) => ({ path: fileOf(row), content: row.sentence })

async function callUntilDone(row: Row, client: RealClient, token: string): Promise<Outcome> {
  const endings: Ending[] = []
  const texts: string[] = []
  const call = { url: gateway.mcp, token, tool: 'write_file', arguments: argumentsOf(row), signal: over.signal }
  for (;;) {
    const calledAt = Date.now()
    const answer = await client.call(call).catch((error: Error) => error)
    const text = answer instanceof Error ? answer.message : answer.text
    texts.push(text)
    const ending = endingOf(answer instanceof Error, text)
    if (endings.at(-1) !== ending) endings.push(ending)
    if (ending === 'result' || texts.length === CALLS_MAX || over.signal.aborted) {
      return { client: `${client.name} ${client.version}`, endings, texts, lastCallMs: Date.now() - calledAt }
    }
  }
}

function endingOf(threw: boolean, text: string): Ending {
  if (threw && /timed out/i.test(text)) return 'time-out'
  if (!threw && /NOT executed: approval apr_\w+ is pending/.test(text)) return 'pending'
  return 'result'
}

const pending = async (reviewer: ConsoleReviewer) => (await reviewer.state()).json.pending

async function untilHeld(reviewer: ConsoleReviewer, count: number): Promise<void> {
  await until('every client’s call is held', async () => (await pending(reviewer)).length === count, 120_000)
}

async function approveAll(reviewer: ConsoleReviewer, rows: readonly Row[]): Promise<void> {
  const cards = await pending(reviewer)
  // One card each: whoever called again in the meantime has joined its own.
  expect(cards.map(({ arguments: args }) => args.find(({ name }) => name === 'path')?.value).sort()).toEqual(
    rows.map(fileOf).sort(),
  )
  expect(world.tap.callsOf('write_file')).toEqual([])
  for (const { approvalId } of cards) expect(await reviewer.click(approvalId, 'approve')).toMatchObject({ status: 200 })
}

it.for(ROWS.map((row) => [row.sentence, row] as const))('[REQ-CLIENT-1] %s', async ([, row], { skip }) => {
  skip(row.isProgram === true && whyNoPrograms !== null, `${whyNoPrograms}`)
  const outcome = outcomes.get(row)
  expect(outcome).toMatchObject({ endings: row.endings })
  expect(outcome?.texts.at(-1)).toContain('Successfully wrote')
  expect(await readFile(fileOf(row), 'utf8')).toBe(row.sentence)
  const seen = world.tap.callsOf('write_file').filter(({ body }) => body.includes(fileOf(row)))
  expect(seen).toHaveLength(1)
})
