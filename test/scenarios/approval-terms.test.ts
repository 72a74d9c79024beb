/** What a rule says of its approvals, in a gateway that runs: who is asked when nobody decides, and how much one agent may ask. */
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { rawAgent, textOf } from '../support/raw-agent.ts'
import { until } from '../support/until.ts'

const POLICY = `
version: 1
rules:
  - id: writing
    match: { upstream: files, tool: write_file }
    effect: require_approval
    approval:
      from: [carol@example.com]
      deadline: 5m
      remind: 1s
      escalate: { after: 5s, from: leads }
  - id: night
    match: { upstream: files, tool: move_file }
    effect: require_approval
    approval:
      hours: { days: HOURS_DAYS, from: "00:00", to: "24:00", zone: UTC, otherwise: leads }
`
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

let world: World
let gateway: Gateway
let bob: ConsoleReviewer

const write = (name: string) => ({ path: path.join(world.files, name), content: `content of ${name}` })

async function agent() {
  const raw = rawAgent(gateway.mcp, await gateway.token())
  await raw.initialize()
  return raw
}

async function cardOf(tool: string) {
  return until(`a card for ${tool} is shown`, async () =>
    (await bob.state()).json.pending.find((card) => card.tool === tool),
  )
}

const recorded = async (type: string) => (await gateway.events()).filter((event) => event.type === type)

beforeAll(async () => {
  world = await startWorld()
  // Three days on, so that a test at midnight is not of another day.
  const another = DAYS[(new Date().getUTCDay() + 3) % 7] as string
  gateway = await world.startGateway({
    policy: POLICY.replace('HOURS_DAYS', another),
    settings: `
channels: { console: { reviewer: bob@example.com } }
people: { groups: { leads: [bob@example.com] } }
holds: { maxPerAgent: 2 }
`,
  })
  bob = await gateway.console()
})
afterAll(() => world?.close())

it('[REQ-STEPS-1] [REQ-REASON-1] reminds, then escalates to who may decide from then on, and says so', async () => {
  const params = {
    name: 'write_file',
    arguments: write('late.txt'),
    _meta: { 'countersign/reason': 'The ticket asks.' },
  }
  const answer = (await agent()).post({ jsonrpc: '2.0', id: 'late', method: 'tools/call', params })
  const { approvalId } = await cardOf('write_file')
  const early = await bob.click(approvalId, 'approve')
  expect(early.body).toMatchObject({ ok: false, refusal: 'not_a_reviewer' })
  const [escalated] = await until('it is escalated', async () => {
    const events = await recorded('approval.escalated')
    return events.length > 0 ? events : null
  })
  expect(escalated).toMatchObject({ approval_id: approvalId, from: ['leads'], rooms: [] })
  expect(await recorded('approval.reminded')).toMatchObject([{ approval_id: approvalId, by: null }])
  expect(await recorded('approval.requested')).toMatchObject([{ stated_reason: 'The ticket asks.' }])
  const { text } = await bob.state()
  expect(text).toContain('You are asked because rule writing asks carol@example.com.')
  expect(text).toContain(', so leads may decide too.')
  expect(text).toContain('The ticket asks.')
  expect((await bob.click(approvalId, 'approve')).body.ok).toBe(true)
  expect(textOf((await answer).messages.at(-1) ?? {})).toContain('Successfully wrote')
})

it('[REQ-STEPS-2] asks those on call out of a rule’s hours', async () => {
  const moving = { source: path.join(world.files, 'late.txt'), destination: path.join(world.files, 'moved.txt') }
  const answer = (await agent()).call('move_file', 'night', moving)
  const { approvalId } = await cardOf('move_file')
  expect((await bob.state()).text).toContain('rule night is out of its hours, when it asks leads.')
  expect((await bob.click(approvalId, 'approve')).body.ok).toBe(true)
  expect(textOf(await answer)).toContain('Successfully moved')
})

it('[REQ-HOLD-8] refuses what one agent asks beyond its limit, and asks nobody', async () => {
  const raw = await agent()
  const move = (name: string) =>
    raw.call('move_file', name, { source: path.join(world.files, name), destination: path.join(world.files, 'x') })
  const held = ['one.txt', 'two.txt'].map(move)
  await until('two are asked about', async () => (await bob.state()).json.pending.length === 2)
  const { error } = await move('three.txt')
  expect(error).toMatchObject({
    code: -32017,
    message: expect.stringContaining('limit is 2 open approvals of one agent'),
  })
  const { pending } = (await bob.state()).json
  expect(pending).toHaveLength(2)
  for (const { approvalId } of pending) expect((await bob.click(approvalId, 'deny')).body.ok).toBe(true)
  await Promise.all(held)
})
