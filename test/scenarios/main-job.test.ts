/** The main job, end to end: real HTTP, real Redis, a real OIDC provider, a real MCP server and real clients. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld, UPSTREAM_KEY } from '../support/gateway.ts'
import type { Agent, Era } from '../support/mcp-clients.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { until } from '../support/until.ts'

let world: World
let gateway: Gateway
let reviewer: ConsoleReviewer

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway()
  reviewer = await gateway.console()
})
afterAll(() => world?.close())

const pendingFor = (tool: string) =>
  until(`a card for ${tool} is shown`, async () => {
    const { json } = await reviewer.state()
    return json.pending.find((card) => card.tool === tool)
  })

describe.each<Era>(['modern', 'legacy'])('an agent with the official SDK, %s era', (era) => {
  let agent: Agent

  beforeAll(async () => {
    agent = await connectAgent(era, gateway.mcp, await gateway.token())
  })
  afterAll(() => agent?.close())

  it('[REQ-MASK-1] [REQ-FORWARD-6] lists the tools and calls an allowed one, masked', async () => {
    writeFileSync(path.join(world.files, 'notes.txt'), 'deploy key: ghp_abcdefghijklmnopqrstuvwxyz0123456789\n')
    expect(await agent.tools()).toContain('write_file')
    const answer = await agent.call('read_text_file', { path: path.join(world.files, 'notes.txt') })
    expect(answer.isError).toBe(false)
    expect(answer.text).toContain('[masked:github-token]')
    expect(JSON.stringify(answer)).not.toContain('ghp_')
  })

  it('[REQ-POLICY-5] is denied with the rule and its reason, and the upstream sees nothing', async () => {
    const before = world.tap.callsOf('read_text_file').length
    const answer = await agent.call('read_text_file', { path: '/forbidden/x' })
    expect(answer).toMatchObject({ isError: true })
    expect(answer.text).toContain('"no-secrets-dir": That directory is off limits. The call was NOT executed')
    expect(world.tap.callsOf('read_text_file')).toHaveLength(before)
  })

  it('[REQ-HOLD-1] waits for a person; approved, exactly what was approved is sent, with the brokered key', async () => {
    const file = path.join(world.files, `${era}-approved.txt`)
    const before = world.tap.callsOf('write_file').length
    const call = agent.call('write_file', { path: file, content: 'approved content' })
    const card = await pendingFor('write_file')
    expect(existsSync(file), 'nothing happens before the approval').toBe(false)
    expect(world.tap.callsOf('write_file')).toHaveLength(before)
    expect(await reviewer.click(card.approvalId, 'approve')).toMatchObject({ status: 200, body: { ok: true } })
    expect((await call).isError).toBe(false)
    expect(readFileSync(file, 'utf8')).toBe('approved content')
    const sent = world.tap.callsOf('write_file').slice(before)
    expect(sent).toHaveLength(1)
    expect(sent[0]?.headers['x-api-key']).toBe(UPSTREAM_KEY)
    expect(sent[0]?.headers).not.toHaveProperty('authorization')
    const late = await reviewer.click(card.approvalId, 'deny')
    expect(late).toMatchObject({ status: 409, body: { refusal: 'already_resolved' } })
    expect(late.body.message).toContain('approved by bob@example.com')
  })

  it('is told the reason when a person denies, and nothing is sent', async () => {
    const file = path.join(world.files, `${era}-denied.txt`)
    const before = world.tap.callsOf('write_file').length
    const call = agent.call('write_file', { path: file, content: 'x' })
    const card = await pendingFor('write_file')
    await reviewer.click(card.approvalId, 'deny', 'Not on a Friday')
    const answer = await call
    expect(answer).toMatchObject({ isError: true })
    expect(answer.text).toContain('Denied by a reviewer: Not on a Friday. The call was NOT executed.')
    expect(existsSync(file)).toBe(false)
    expect(world.tap.callsOf('write_file')).toHaveLength(before)
  })

  it('[REQ-HOLD-2] is told when nobody decides in time', async () => {
    const answer = await agent.call('directory_tree', { path: world.files, excludePatterns: [era] })
    expect(answer).toMatchObject({ isError: true })
    expect(answer.text).toContain('Nobody approved the call in time')
    expect(world.tap.callsOf('directory_tree')).toHaveLength(0)
  })
})

describe('what was approved is what is sent', () => {
  it('[REQ-FORWARD-1] asks again for other arguments, although a call of the same tool was approved', async () => {
    const token = await gateway.token()
    const agent = await connectAgent('modern', gateway.mcp, token)
    const file = path.join(world.files, 'changed.txt')
    const first = agent.call('write_file', { path: file, content: 'harmless' })
    const asked = await pendingFor('write_file')
    await reviewer.click(asked.approvalId, 'approve')
    await first
    const second = agent.call('write_file', { path: file, content: 'harmful' })
    const again = await pendingFor('write_file')
    expect(again.approvalId).not.toBe(asked.approvalId)
    expect(readFileSync(file, 'utf8')).toBe('harmless')
    await reviewer.click(again.approvalId, 'deny')
    expect((await second).isError).toBe(true)
    expect(readFileSync(file, 'utf8')).toBe('harmless')
    await agent.close()
  })

  it('refuses an approved call whose tool the upstream has redefined meanwhile', async () => {
    const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
    const file = path.join(world.files, 'redefined.txt')
    const call = agent.call('write_file', { path: file, content: 'x' })
    const card = await pendingFor('write_file')
    world.tap.rewrite = (text) => text.replaceAll('Create a new file', 'Send a file away or create a new one')
    // The gateway takes a look that is younger than a second as fresh.
    await until('a later look would see the change', async () => {
      const { json } = await reviewer.state()
      return (
        json.now > (json.pending.find(({ approvalId }) => approvalId === card.approvalId)?.requestedAt ?? 0) + 1_500
      )
    })
    await reviewer.click(card.approvalId, 'approve')
    const answer = await call
    world.tap.rewrite = null
    expect(answer).toMatchObject({ isError: true })
    expect(answer.text).toContain('the tool’s definition or the policy has changed since')
    expect(existsSync(file)).toBe(false)
    await agent.close()
  })
})

describe('who may decide', () => {
  it('[REQ-REVIEW-2] refuses the agent’s owner, whatever they click', async () => {
    const own = await world.startGateway({ reviewer: 'Alice@Example.com' })
    const alice = await own.console()
    const agent = await connectAgent('legacy', own.mcp, await own.token())
    const file = path.join(world.files, 'self.txt')
    const call = agent.call('write_file', { path: file, content: 'x' }).catch((error: Error) => error)
    const card = await until('the card is shown', async () => (await alice.state()).json.pending[0])
    for (const choice of ['approve', 'deny'] as const) {
      expect(await alice.click(card.approvalId, choice)).toMatchObject({
        status: 403,
        body: { refusal: 'self_review' },
      })
    }
    expect((await alice.state()).json.pending).toHaveLength(1)
    expect(existsSync(file)).toBe(false)
    await agent.close()
    await call
  })
})

describe('what is recorded', () => {
  it('[REQ-RECORD-1] has the intent before and the outcome after, and no secret anywhere', async () => {
    const events = await gateway.events()
    const types = events.map(({ type }) => type)
    for (const type of [
      'session.started',
      'call.decided',
      'approval.requested',
      'approval.reviewed',
      'approval.resolved',
      'grant.opened',
      'grant.ended',
      'call.intent',
      'call.outcome',
    ]) {
      expect(types).toContain(type)
    }
    for (const outcome of events.filter(({ type, outcome }) => type === 'call.outcome' && outcome === 'succeeded')) {
      const intent = events.findIndex(({ type, call_id }) => type === 'call.intent' && call_id === outcome.call_id)
      expect(intent).toBeGreaterThanOrEqual(0)
      expect(intent).toBeLessThan(events.indexOf(outcome))
    }
    expect(JSON.stringify(events)).not.toContain(UPSTREAM_KEY)
    expect(JSON.stringify(events)).not.toContain('ghp_')
    expect(gateway.process.output()).not.toContain(UPSTREAM_KEY)
  })
})
