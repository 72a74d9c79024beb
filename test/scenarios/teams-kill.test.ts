/** The gateway is killed at the worst moment: Teams has the card, and the gateway has not heard so yet. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APPROVE_ACTION } from '../../bots/chat/actions.ts'
import { APPROVALS, type FakeMessage } from '../support/fake-teams-world.ts'
import { startWorld, type World } from '../support/gateway.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { startTeamsGateway, type TeamsGateway } from '../support/teams-gateway.ts'
import { until } from '../support/until.ts'

const isCard = ({ conversationId, card }: FakeMessage) => conversationId === APPROVALS && card !== null

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.close())

type Looked = (started: TeamsGateway) => Promise<unknown>
const rows: readonly (readonly [string, boolean, Looked])[] = [
  [
    '[REQ-DELIVERY-1] with Graph there is one card, which is found and is the one that works',
    true,
    ({ teams }) =>
      teams.waitForCall(({ operation, path: asked }) => operation === 'graph' && /delta/.test(asked), 60_000),
  ],
  [
    '[REQ-DELIVERY-5] without Graph there is never a second card, the log says so, and a click on the first works',
    false,
    ({ gateway }) => gateway.process.line(/not posted again: .*set channels.teams.graph to true/, 60_000),
  ],
]

// Beside each other: the next process waits until it is certain that the one before is dead.
describe.concurrent('after kill -9 between posting and remembering', () => {
  it.each(rows)('%s', { timeout: 120_000 }, async (_sentence, graph, looked) => {
    const started = await startTeamsGateway(world, { graph })
    const { teams, gateway } = started
    try {
      teams.failNext('send', { isAnswerHeld: true })
      const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
      const args = { path: path.join(world.files, `killed-${graph}.txt`), content: 'x' }
      const call = agent.call('write_file', args).catch(() => null)
      const card = await teams.waitForMessage(isCard, 30_000)
      await gateway.kill()
      await gateway.restart()
      await looked(started)
      expect(
        (await teams.click({ user: 'Bob', messageId: card.id, action: APPROVE_ACTION, isBaseView: true })).kind,
      ).toBe('card')
      await until('it is repainted', () => JSON.stringify(card.card).includes('Approved by Bob'), 30_000)
      expect(teams.messages.filter(isCard)).toHaveLength(1)
      await agent.close().catch(() => undefined)
      await call
    } finally {
      await started.close()
    }
  })
})
