/** Agents that leave while people think, on replicas that die: what the card says, and what an approval then does. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ConsoleReviewer, ShownCard } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { rawAgent, textOf } from '../support/raw-agent.ts'
import { taskClient } from '../support/task-client.ts'
import { until } from '../support/until.ts'

/** The grace, a heartbeat's life, and the looks between them. */
const AWAY_MAX_MS = 45_000

let world: World
let victim: Gateway
let survivor: Gateway
let reviewer: ConsoleReviewer

const write = (name: string) => ({ path: path.join(world.files, name), content: `content of ${name}` })
const sentFor = (name: string) => world.tap.callsOf('write_file').filter(({ body }) => body.includes(name))

/** A held call by hand. */
async function call(gateway: Gateway, name: string): Promise<{ answer: Promise<string>; leave(): void }> {
  const leaving = new AbortController()
  const agent = rawAgent(gateway.mcp, await gateway.token())
  await agent.initialize()
  const params = { name: 'write_file', arguments: write(name) }
  const answer = agent
    .post({ jsonrpc: '2.0', id: name, method: 'tools/call', params }, { signal: leaving.signal })
    .then(({ messages }) => textOf(messages.at(-1) ?? {}))
  // Who leaves wants no answer.
  answer.catch(() => undefined)
  return { answer, leave: () => leaving.abort() }
}

async function cardOf(name: string): Promise<ShownCard | undefined> {
  const { pending, decided } = (await reviewer.state()).json
  return [...pending, ...decided].find((card) => card.arguments.some(({ value }) => value.endsWith(name)))
}

const cardAsked = (name: string) => until(`a card for ${name} is shown`, () => cardOf(name))
const says = (name: string, words: string, timeoutMs?: number) =>
  until(
    `the card of ${name} says: ${words}`,
    async () => JSON.stringify((await cardOf(name))?.notes).includes(words),
    timeoutMs,
  )

const AWAY = 'if you approve, the call runs when it comes back within 15 minutes of that.'

beforeAll(async () => {
  world = await startWorld()
  victim = await world.startGateway({ keyPrefix: 'presence' })
  survivor = await world.startGateway({ keyPrefix: 'presence' })
  reviewer = await survivor.console()
  const calls = [await call(survivor, 'left.txt'), await call(survivor, 'gone.txt')]
  await call(victim, 'killed.txt')
  for (const name of ['left.txt', 'gone.txt', 'killed.txt']) {
    expect((await cardAsked(name)).notes, 'an agent that waits needs no word').toEqual([])
  }
  for (const { leave } of calls) leave()
  await victim.kill()
})
afterAll(() => world?.close())

it('[REQ-AWAY-1] says how many identical calls wait; one approval lets one run, and all get its answer', async () => {
  const calls = await Promise.all([1, 2, 3].map(() => call(survivor, 'shared.txt')))
  const { approvalId } = await cardAsked('shared.txt')
  await says('shared.txt', '3 identical calls wait: one approval lets one run, and the others get its answer.')
  await reviewer.click(approvalId, 'approve')
  const answers = await Promise.all(calls.map(({ answer }) => answer))
  expect(new Set(answers).size).toBe(1)
  expect(answers[0]).toContain('Successfully wrote')
  expect(sentFor('shared.txt')).toHaveLength(1)
})

it('[REQ-AWAY-1] says of a task that its call runs at once, and so it does', async () => {
  const client = taskClient(survivor.mcp, await survivor.token())
  const { result } = await client.call('write_file', write('task.txt'))
  expect(result?.resultType).toBe('task')
  const card = await cardAsked('task.txt')
  expect(card.notes).toEqual([['The agent will fetch the result later: if you approve, the call runs at once.']])
  await reviewer.click(card.approvalId, 'approve')
  // Nobody has asked for the task meanwhile.
  await until('the call has run', () => existsSync(path.join(world.files, 'task.txt')))
})

it('[REQ-AWAY-1] says that the agent is away; approved then, nothing runs until it comes back', async () => {
  await says('gone.txt', AWAY, AWAY_MAX_MS)
  const { approvalId } = await cardAsked('gone.txt')
  expect((await reviewer.click(approvalId, 'approve')).body.ok).toBe(true)
  // As long as it takes a task, which needs nobody, to run.
  const client = taskClient(survivor.mcp, await survivor.token())
  await client.call('write_file', write('meanwhile.txt'))
  await reviewer.click((await cardAsked('meanwhile.txt')).approvalId, 'approve')
  await until('the task’s call has run', () => existsSync(path.join(world.files, 'meanwhile.txt')))
  expect(sentFor('gone.txt')).toEqual([])
  expect(await (await call(survivor, 'gone.txt')).answer).toContain('Successfully wrote')
  expect(readFileSync(path.join(world.files, 'gone.txt'), 'utf8')).toBe('content of gone.txt')
  expect(sentFor('gone.txt')).toHaveLength(1)
})

it('[REQ-AWAY-1] says nothing any more once an identical call waits; approved then, it runs', async () => {
  await says('left.txt', AWAY, AWAY_MAX_MS)
  const again = await call(survivor, 'left.txt')
  await until('nothing is said', async () => (await cardOf('left.txt'))?.notes.length === 0)
  await reviewer.click((await cardAsked('left.txt')).approvalId, 'approve')
  expect(await again.answer).toContain('Successfully wrote')
})

it('[REQ-AWAY-1] says it too of an agent whose gateway was killed, and records when it left and came back', async () => {
  await says('killed.txt', AWAY, AWAY_MAX_MS)
  await call(survivor, 'killed.txt')
  await until('nothing is said', async () => (await cardOf('killed.txt'))?.notes.length === 0)
  const { approvalId } = await cardAsked('killed.txt')
  await until('both are recorded', async () => {
    const events = (await survivor.events()).filter((event) => event.approval_id === approvalId)
    const types = events.map(({ type }) => type).filter((type) => type.startsWith('approval.agent'))
    return types.join() === 'approval.agent_away,approval.agent_back'
  })
})
