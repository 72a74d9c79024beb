/** The built gateway and Teams reach each other: keys one way, tokens the other, as each library and app type has it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWorld, type World } from '../support/gateway.ts'
import { startTeamsGateway, type TeamsGateway, type TeamsGatewayOptions } from '../support/teams-gateway.ts'
import { until } from '../support/until.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

/** Each library and each app type once: a gateway takes seconds to start. */
const rows: readonly TeamsGatewayOptions[] = [
  { library: 'botbuilder', appType: 'SingleTenant' },
  { library: 'agents-hosting', appType: 'UserAssignedMSI' },
]

describe.each(rows)('over $library as $appType', (options) => {
  let started: TeamsGateway
  beforeAll(async () => {
    started = await startTeamsGateway(world, options)
  })
  afterAll(() => started.close())

  it('[REQ-FORGED-1] takes what the connector signs, and nothing else', async () => {
    const { teams } = started
    const activity = { ...teams.messageOf({ user: 'Bob', conversation: 'personal', text: 'help' }) }
    expect((await teams.raw({ activity, key: 'unknown' })).status).toBe(401)
    expect((await teams.raw({ activity, authorization: null })).status).toBe(401)
    expect((await teams.raw({ activity })).status).toBe(200)
  })

  it('gets its token where Entra, or the machine, gives it one', async () => {
    const { teams } = started
    const token = await until('the gateway asked for a token', () =>
      teams.calls.find(({ operation }) => operation === 'token'),
    )
    expect(token).toMatchObject({
      status: 200,
      path: expect.stringContaining(options.appType === 'SingleTenant' ? 'oauth2' : '/msi/token'),
    })
  })
})
