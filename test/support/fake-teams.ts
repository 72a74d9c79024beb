/**
 * Microsoft Teams, as far as this product can tell: the Bot Connector with its keys, Entra's token endpoint, a managed
 * identity and Microsoft Graph, over HTTP(S) on loopback. They refuse what Microsoft documents as refused, and people in it
 * click the way their clients do. Each rule cites its page; nothing here is lenient.
 *
 *   const teams = await startFakeTeams({ users: [ALICE, BOB] })
 *   teams.deliverTo('http://127.0.0.1:8080/api/messages')
 *   await teams.install(APPROVALS)
 *   const card = await teams.waitForMessage(({ conversationId }) => conversationId === APPROVALS)
 *   const seen = await teams.click({ user: 'Bob', messageId: card.id, action: 'Approve' })
 */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TeamsEndpoints } from '../../src/config/settings.ts'
import type { JsonObject } from '../../src/json/value.ts'
import {
  activityOf,
  type Click,
  type Compose,
  choices,
  click,
  clickActivity,
  type Delivery,
  deliver,
  edit,
  install,
  look,
  messageOf,
  openCompose,
  openDialog,
  type Said,
  type Submission,
  say,
  submitActivity,
  submitDialog,
  type Typing,
  uninstall,
} from './fake-teams-client.ts'
import { connector } from './fake-teams-connector.ts'
import { entra, IDENTITY_HEADER, managedIdentity } from './fake-teams-entra.ts'
import { graph } from './fake-teams-graph.ts'
import { answered, write } from './fake-teams-http.ts'
import { createKey, createKeys } from './fake-teams-keys.ts'
import { connectorJwks, inboundToken, serviceUrlOf, type TokenOptions } from './fake-teams-tokens.ts'
import {
  botMri,
  createRoom,
  createWorld,
  type FakeCall,
  type FakeConversation,
  type FakeFailure,
  type FakeGroup,
  type FakeMessage,
  type FakePerson,
  type FakeTeamsOptions,
  mriOf,
  nextMessageId,
  type Operation,
  personalRoom,
  personOf,
  roomOf,
  type World,
  waitFor,
} from './fake-teams-world.ts'
import { loopbackTls } from './loopback-tls.ts'

export type FakeTeams = Awaited<ReturnType<typeof startFakeTeams>>

export async function startFakeTeams(options: FakeTeamsOptions = {}) {
  const world = createWorld(options, await createKeys())
  const service = createServer(caught((request, response) => serve(world, request, response)))
  const login = createSecureServer(
    loopbackTls(),
    caught((request, response) => entra(world, request, response)),
  )
  for (const server of [service, login]) server.listen(0, '127.0.0.1')
  await Promise.all([once(service, 'listening'), once(login, 'listening')])
  world.baseUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  world.loginUrl = `https://127.0.0.1:${(login.address() as AddressInfo).port}`
  const endpoints: TeamsEndpoints = {
    login: world.loginUrl,
    openIdMetadata: `${world.baseUrl}/v1/.well-known/openidconfiguration`,
    issuer: world.issuer,
    scope: world.scope,
    graph: world.baseUrl,
    connectors: [world.baseUrl],
  }

  return {
    appId: world.appId,
    appPassword: world.appPassword,
    tenantId: world.tenantId,
    serviceUrl: serviceUrlOf(world),
    /** As `channels.teams.endpoints` has them. */
    endpoints,
    /** What App Service gives an app that has a managed identity. */
    identityEnvironment: { IDENTITY_ENDPOINT: `${world.baseUrl}/msi/token`, IDENTITY_HEADER },
    messages: world.messages as readonly FakeMessage[],
    calls: world.calls as readonly FakeCall[],

    deliverTo(eventsUrl: string): void {
      world.eventsUrl = eventsUrl
    },
    ...faultsOf(world, async (isDown) => {
      if (isDown) {
        service.close()
        service.closeAllConnections()
        await once(service, 'close')
      } else {
        service.listen(Number(new URL(world.baseUrl).port), '127.0.0.1')
        await once(service, 'listening')
      }
    }),
    ...directoryOf(world),
    ...peopleOf(world),
    ...forgeriesOf(world),
    ...waitsOf(world),
    async close(): Promise<void> {
      for (const server of [service, login]) {
        if (!server.listening) continue
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      }
    },
  }
}

function caught(serving: (...asked: Parameters<RequestListener>) => Promise<void>): RequestListener {
  return (request, response) => {
    serving(request, response).catch((error) => {
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end(String(error))
    })
  }
}

async function serve(world: World, ...[request, response]: Parameters<RequestListener>): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', world.baseUrl)
  if (pathname.startsWith('/emea/')) return connector(world, request, response)
  if (pathname.startsWith('/v1.0/')) return graph(world, request, response)
  if (pathname === '/msi/token') return managedIdentity(world, request, response)
  const documents: Readonly<Record<string, object>> = {
    '/v1/.well-known/openidconfiguration': {
      issuer: world.issuer,
      authorization_endpoint: 'https://invalid.botframework.com',
      jwks_uri: `${world.baseUrl}/v1/.well-known/keys`,
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
    },
    '/v1/.well-known/keys': connectorJwks(world),
  }
  const body = request.method === 'GET' ? documents[pathname] : undefined
  if (body === undefined) return write(response, { status: 404 })
  await answered(world, { operation: 'keys', request, response, body: null }, () => ({ status: 200, body }))
}

function faultsOf(world: World, setDown: (isDown: boolean) => Promise<void>) {
  return {
    /** Nothing but Entra listens any more, and what is open is cut; or it does again, at the same address. */
    setDown,
    /** The next such operation is refused, delayed, or its answer lost; repeated calls queue up. */
    failNext(operation: Operation, failure: FakeFailure): void {
      world.failures.set(operation, [...(world.failures.get(operation) ?? []), failure])
    },
    /** The client secret is one that Entra takes no more. */
    setSecretExpired(isExpired: boolean): void {
      world.isSecretExpired = isExpired
    },
    /** Every token that Entra gave is refused from now on; new ones are good. */
    revokeTokens(): void {
      world.revokedBefore = world.issued
    },
    /** The connector signs by a new key, and the old one is no longer told of. */
    async rotateKeys(): Promise<void> {
      world.keys.connector = await createKey(world.keys.connector.endorsements)
    },
    /** What was sent so far no longer counts against the limits. */
    forgetRates(): void {
      world.operations.clear()
    },
  }
}

function directoryOf(world: World) {
  return {
    mriOf: (who: string): string => mriOf(personOf(world, who)),
    botMri: botMri(world),
    addUser(person: FakePerson): void {
      world.people.set(mriOf(person), person)
    },
    /** As they are from now on. */
    changeUser(who: string, change: Partial<FakePerson>): void {
      const person = personOf(world, who)
      world.people.set(mriOf(person), { ...person, ...change })
    },
    setGroup: (group: FakeGroup) => void world.groups.set(group.id, group),
    removeGroup: (id: string) => void world.groups.delete(id),
    /** What an administrator consents to; tokens given before keep theirs. */
    setPermissions(permissions: readonly string[]): void {
      world.permissions = [...permissions]
    },
    addConversation: (room: FakeConversation) => void world.rooms.set(room.id, createRoom(room)),
    setMembers(id: string, members: readonly string[]): void {
      roomOf(world, id).members = members
    },
    setBlocked(id: string, isBlocked: boolean): void {
      roomOf(world, id).isBlocked = isBlocked
    },
    personalConversation: (who: string): string => personalRoom(world, personOf(world, who)).id,
    /** Someone deletes a message in their client. */
    deleteMessage(messageId: string): void {
      for (const message of world.messages) if (message.id === messageId) message.isDeleted = true
    },
    /** Another bot posts a message that looks like ours. */
    forge(message: Pick<FakeMessage, 'conversationId' | 'card'> & Partial<FakeMessage>): string {
      const id = nextMessageId(world)
      world.messages.push({
        ...{ id, threadId: id, from: '28:00000000-0000-4000-8000-0000000000ff', onlyTo: null, activity: {}, text: '' },
        ...{ summary: '', edits: 0, isDeleted: false, createdAt: Number(id), ...message },
      })
      return id
    },
  }
}

function peopleOf(world: World) {
  return {
    /** The bot is put into a team, a chat or a personal talk, and is told. */
    install: (id: string, by?: string) => install(world, id, by),
    uninstall: (id: string, by?: string) => uninstall(world, id, by),
    say: (said: Said) => say(world, said),
    edit: (change: Parameters<typeof edit>[1]) => edit(world, change),
    /** The card as one person sees it. */
    look: (looking: Parameters<typeof look>[1]) => look(world, looking),
    click: (wanted: Click) => click(world, wanted),
    openDialog: (wanted: Click) => openDialog(world, wanted),
    openCompose: (compose: Compose) => openCompose(world, compose),
    submitDialog: (submission: Submission) => submitDialog(world, submission),
    choices: (typing: Typing) => choices(world, typing),
  }
}

function forgeriesOf(world: World) {
  return {
    /** Activities that are not sent. */
    messageOf: (said: Said): JsonObject => messageOf(world, said).activity,
    clickOf: (wanted: Click) => clickActivity(world, wanted),
    submissionOf: (submission: Submission): JsonObject => submitActivity(world, submission),
    activityOf: (about: { user: string; conversation: string }): JsonObject =>
      activityOf(world, { person: personOf(world, about.user), room: roomOf(world, about.conversation) }),
    /** One request to our endpoint, exactly as given: for replays and forgeries. */
    raw: (delivery: Delivery) => deliver(world, delivery),
    tokenOf: (options?: TokenOptions) => inboundToken(world, options),
  }
}

function waitsOf(world: World) {
  return {
    waitForMessage: (wanted: (message: FakeMessage) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.messages.find((one) => !one.isDeleted && wanted(one)), 'message', timeoutMs),
    waitForCall: (wanted: (call: FakeCall) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.calls.find(wanted), 'call', timeoutMs),
  }
}
