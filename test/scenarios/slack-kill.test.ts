/** The gateway is killed at the worst moment: Slack has the card, and the gateway has not heard so yet. */
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { APPROVE_ACTION } from '../../bots/slack/actions.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import type { FakeMessage } from '../support/fake-slack-world.ts'
import { type Gateway, startWorld, type World } from '../support/gateway.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { until } from '../support/until.ts'

const BOB = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'bob@example.com' }

let world: World
let slack: FakeSlack
let gateway: Gateway

beforeAll(async () => {
  world = await startWorld()
  slack = await startFakeSlack({ users: [BOB] })
  gateway = await world.startGateway({
    environment: { SLACK_BOT_TOKEN: slack.botToken, SLACK_SIGNING_SECRET: slack.signingSecret },
    settings: `
channels:
  slack:
    botToken: "\${SLACK_BOT_TOKEN}"
    signingSecret: "\${SLACK_SIGNING_SECRET}"
    approvals: C0APPROVALS
    apiUrl: ${slack.apiUrl}`,
  })
  slack.deliverTo(`${gateway.url}/slack/events`)
})
afterAll(async () => {
  await slack?.close()
  await world?.close()
})

it('[REQ-DELIVERY-1] after kill -9 between posting and remembering there is one card, and it is the one that works', async () => {
  slack.failNext('chat.postMessage', { isAnswerHeld: true })
  const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
  const call = agent.call('write_file', { path: path.join(world.files, 'killed.txt'), content: 'x' }).catch(() => null)
  const isCard = ({ metadata }: FakeMessage) => metadata?.event_type === 'countersign_card'
  const card = await slack.waitForMessage(isCard, 30_000)
  await gateway.kill()
  await gateway.restart()
  await until('it has looked', () => slack.calls.some(({ method }) => method === 'conversations.history'), 60_000)
  const ack = await slack.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId: BOB.id, retries: 3 })
  expect(ack.ok).toBe(true)
  await until('it is repainted', () => JSON.stringify(card.blocks).includes('Approved by Bob'), 30_000)
  expect(slack.messages.filter(isCard)).toHaveLength(1)
  await agent.close().catch(() => undefined)
  await call
})
