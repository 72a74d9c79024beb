/**
 * The built gateway with Teams: `countersign serve` in a process of its own, and the fake Teams that it speaks to. Its
 * process trusts the fake's certificate by what loopback-tls.ts set; see there.
 */
import type { TeamsSettings } from '../../src/config/settings.ts'
import { type FakeTeams, startFakeTeams } from './fake-teams.ts'
import { APPROVALS, type FakePerson, type FakeTeamsOptions, SUMMARIES } from './fake-teams-world.ts'
import type { Gateway, GatewayOptions, World } from './gateway.ts'

export const ALICE: FakePerson = {
  ...{ oid: 'aaaaaaaa-0000-4000-8000-000000000001', name: 'Alice', email: 'alice@example.com' },
}
export const BOB: FakePerson = {
  ...{ oid: 'bbbbbbbb-0000-4000-8000-000000000002', name: 'Bob', email: 'bob@example.com' },
}
export const CAROL: FakePerson = {
  ...{ oid: 'cccccccc-0000-4000-8000-000000000003', name: 'Carol', email: 'carol@example.com' },
}

export interface TeamsGatewayOptions {
  readonly teams?: FakeTeamsOptions
  readonly library?: TeamsSettings['library']
  /** UserAssignedMSI: no secret, and what App Service gives its apps instead. */
  readonly appType?: TeamsSettings['appType']
  /** The app may ask Graph. */
  readonly graph?: boolean
  /** Further channels, as `channels` has them: YAML, two spaces in. */
  readonly channels?: string
  readonly gateway?: Omit<GatewayOptions, 'reviewer'>
  /** Teams has not told of it yet; else it is installed in the team, and the gateway knows. */
  readonly isUninstalled?: boolean
}

export interface TeamsGateway {
  readonly teams: FakeTeams
  readonly gateway: Gateway
  /** Teams reaches it at the same place after a restart too. */
  close(): Promise<void>
}

export async function startTeamsGateway(world: World, options: TeamsGatewayOptions = {}): Promise<TeamsGateway> {
  const teams = await startFakeTeams({ users: [ALICE, BOB, CAROL], ...options.teams })
  try {
    const gateway = await world.startGateway({
      ...options.gateway,
      settings: `channels:\n${teamsSettings(teams, options)}\n${options.channels ?? ''}\n${options.gateway?.settings ?? ''}`,
      environment: { ...identityOf(teams, options), ...options.gateway?.environment },
    })
    teams.deliverTo(`${gateway.url}/api/messages`)
    if (!options.isUninstalled) await installed(teams)
    return {
      ...{ teams, gateway },
      async close() {
        await gateway.process.stop()
        await teams.close()
      },
    }
  } catch (error) {
    await teams.close()
    throw error
  }
}

async function installed(teams: FakeTeams): Promise<void> {
  const acks = await teams.install(APPROVALS)
  const refused = acks.find(({ status }) => status !== 200)
  if (refused !== undefined) throw new Error(`the installation was answered ${JSON.stringify(refused)}`)
}

function identityOf(teams: FakeTeams, { appType }: TeamsGatewayOptions): Readonly<Record<string, string>> {
  return appType === 'UserAssignedMSI' ? teams.identityEnvironment : {}
}

/** `channels.teams`, two spaces in. */
export function teamsSettings(
  teams: FakeTeams,
  { library = 'botbuilder', appType = 'SingleTenant', graph = false }: TeamsGatewayOptions = {},
): string {
  const { appId, tenantId, appPassword, endpoints } = teams
  const settings = {
    ...{ appId, tenantId, appType, library, graph, endpoints },
    ...{ approvals: APPROVALS, summaries: SUMMARIES },
    ...(appType === 'SingleTenant' && { appPassword }),
  }
  // YAML holds all of JSON.
  return `  teams: ${JSON.stringify(settings)}`
}
