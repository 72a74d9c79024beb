/**
 * A held call approved in Teams, with everything built and real but Microsoft: an agent calls, a card is posted, people
 * click and write, and the call runs or doesn't.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APPROVALS, type FakeMessage } from '../support/fake-teams-world.ts'
import { startWorld, type World } from '../support/gateway.ts'
import { type Agent, connectAgent } from '../support/mcp-clients.ts'
import { startTeamsGateway, type TeamsGateway } from '../support/teams-gateway.ts'
import { until } from '../support/until.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

describe.each(['botbuilder', 'agents-hosting'] as const)('over %s', (library) => {
  let started: TeamsGateway
  let agent: Agent
  beforeAll(async () => {
    started = await startTeamsGateway(world, { library })
    agent = await connectAgent('modern', started.gateway.mcp, await started.gateway.token())
  })
  afterAll(async () => {
    await agent?.close()
    await started?.close()
  })

  const write = (name: string) => agent.call('write_file', { path: path.join(world.files, name), content: 'x' })
  const cardFor = (name: string): Promise<FakeMessage> =>
    started.teams.waitForMessage(
      ({ conversationId, card }) => conversationId === APPROVALS && JSON.stringify(card).includes(name),
    )

  it('posts the card where approvals go, refuses the owner, and runs the call once somebody else approves', async () => {
    const { teams } = started
    const name = `teams-${library}.txt`
    const call = write(name)
    const { id } = await cardFor(name)
    const own = await teams.click({ user: 'Alice', messageId: id, action: 'countersign_approve', isBaseView: true })
    expect(JSON.stringify(own)).toMatch(/your own|yourself/i)
    expect(existsSync(path.join(world.files, name))).toBe(false)
    const seen = await teams.click({ user: 'Bob', messageId: id, action: 'countersign_approve', isBaseView: true })
    expect(JSON.stringify(seen)).toContain('Bob')
    await call
    expect(existsSync(path.join(world.files, name))).toBe(true)
    const painted = await until('the card is repainted', () =>
      teams.messages.find((message) => message.id === id && message.edits > 0),
    )
    expect(JSON.stringify(painted.card)).toContain('Bob')
  })

  it('lets whoever writes to the bot see what waits for them', async () => {
    const { teams } = started
    const before = teams.messages.length
    await teams.say({ user: 'Bob', conversation: 'personal', text: 'home' })
    const home = await until('the home is posted', () =>
      teams.messages.slice(before).find(({ card, from }) => card !== null && from === teams.botMri),
    )
    expect(home.conversationId).toBe(teams.personalConversation('Bob'))
    await teams.say({ user: 'Bob', conversation: 'personal', text: 'status' })
    await until('the status is told', () =>
      teams.messages.slice(before).find(({ id, from }) => id !== home.id && from === teams.botMri),
    )
  })
})
