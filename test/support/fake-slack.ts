/**
 * Slack, as far as this product can tell: an HTTP server on loopback that refuses what Slack documents as refused, and
 * that clicks the way a person's client does. Each rule cites its page below docs.slack.dev; nothing here is lenient.
 *
 *   const slack = await startFakeSlack()
 *   slack.deliverTo('http://127.0.0.1:8080/slack/events')
 *   const card = await slack.waitForMessage((message) => message.text.includes('write_file'))
 *   const ack = await slack.click({ messageTs: card.ts, actionId: 'countersign_approve', userId: 'U2' })
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { route } from './fake-slack-api.ts'
import {
  type Ack,
  blockActions,
  type Click,
  click,
  clickInView,
  type Delivery,
  deliver,
  type SlashCommand,
  sendOnce,
  sendSlash,
  slashPayload,
  submitView,
} from './fake-slack-client.ts'
import { choose, clickInHome, openHome, slash, submitForm, type } from './fake-slack-forms.ts'
import {
  createTeam,
  createWorld,
  type FakeChannel,
  type FakeEphemeral,
  type FakeFailure,
  type FakeFile,
  type FakeHome,
  type FakeMessage,
  type FakeSlackOptions,
  type FakeTeamOptions,
  type FakeUser,
  type FakeUserGroup,
  type FakeView,
  type World,
  waitFor,
} from './fake-slack-world.ts'

export type FakeSlack = Awaited<ReturnType<typeof startFakeSlack>>

/** `teams`: further workspaces that the app is installed in; see `inTeam`. */
export async function startFakeSlack({
  teams = [],
  ...options
}: FakeSlackOptions & { readonly teams?: readonly FakeTeamOptions[] } = {}) {
  const world = createWorld(options)
  const worlds = [world, ...teams.map((team) => createTeam(world, team))]
  const server = createServer((request, response) => {
    route(worldOf(worlds, request), request, response).catch((error) => response.writeHead(500).end(String(error)))
  })
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    const ticket = new URL(request.url ?? '/', 'http://localhost').searchParams.get('ticket') ?? ''
    // A ticket of apps.connections.open works once.
    if (!world.tickets.delete(ticket)) {
      socket.destroy()
      return
    }
    sockets.handleUpgrade(request, socket, head, (connected) => {
      world.sockets.add(connected)
      world.opened += 1
      connected.on('close', () => world.sockets.delete(connected))
      connected.send(JSON.stringify({ type: 'hello', num_connections: world.sockets.size }))
      world.changed.emit('change')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  for (const each of worlds) each.baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    setRevoked: seenBy(world).setRevoked,
    /** What people see and do in a further workspace. */
    inTeam(teamId: string) {
      const found = worlds.find((each) => each.teamId === teamId)
      if (found === undefined) throw new Error(`the app is not installed in ${teamId}`)
      return seenBy(found)
    },
    apiUrl: `${world.baseUrl}/api/`,
    botToken: world.botToken,
    appToken: world.appToken,
    signingSecret: world.signingSecret,
    teamId: world.teamId,
    messages: world.messages as readonly FakeMessage[],
    ephemerals: world.ephemerals as readonly FakeEphemeral[],
    views: world.views as readonly FakeView[],
    files: world.files as readonly FakeFile[],
    calls: world.calls as readonly { method: string; args: Readonly<Record<string, string>>; error: string | null }[],

    deliverTo(eventsUrl: string): void {
      for (const each of worlds) each.eventsUrl = eventsUrl
    },
    addUser(user: FakeUser): void {
      world.users.set(user.id, user)
    },
    /** An administrator changes a user group, or makes one. */
    setUserGroup(id: string, group: FakeUserGroup): void {
      world.userGroups.set(id, group)
    },
    setChannelMembers(id: string, channel: FakeChannel): void {
      world.channelMembers.set(id, channel)
    },
    /** The next call of this method is refused, delayed or rate limited; repeated calls queue up. */
    failNext(method: string, failure: FakeFailure): void {
      world.failures.set(method, [...(world.failures.get(method) ?? []), failure])
    },
    /** Nothing listens any more, and what is open is cut; or it does again, at the same address. */
    async setDown(isDown: boolean): Promise<void> {
      if (isDown) {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      } else {
        server.listen(Number(new URL(world.baseUrl).port), '127.0.0.1')
        await once(server, 'listening')
      }
    },
    /** Another app posts a message that says it is ours. */
    forge(message: Pick<FakeMessage, 'channel' | 'text' | 'metadata'>): void {
      const ts = `${Math.floor(Date.now() / 1000)}.${String(++world.serial).padStart(6, '0')}`
      const rest = { blocks: [], args: {}, edits: 0, threadTs: null, isBroadcast: false, botId: 'B0OTHER' }
      world.messages.push({ ...message, ...rest, ts })
    },
    /** Someone deletes a message in their client. */
    deleteMessage(ts: string): void {
      const at = world.messages.findIndex((message) => message.ts === ts)
      if (at >= 0) world.messages.splice(at, 1)
    },
    click: (wanted: Click) => click(world, wanted),
    /** A click in an open modal. */
    clickInView: (click: { viewId: string; actionId: string; userId: string }) => clickInView(world, click),
    /** A person closes the window that they look at, and those below it. */
    closeViews(userId: string): void {
      for (const view of world.views) if (view.userId === userId) view.open = false
    },
    /** A slash command, typed in the channel for cards. */
    slash: (typed: Parameters<typeof slash>[1]) => slash(world, typed),
    /** A person opens App Home. */
    openHome: (opening: Parameters<typeof openHome>[1]) => openHome(world, opening),
    clickInHome: (click: Parameters<typeof clickInHome>[1]) => clickInHome(world, click),
    homeOf: (userId: string) => world.homes.get(userId) ?? null,
    /** A choice in a menu of an open form; null where the app is told of it with the submission only. */
    choose: (choosing: Parameters<typeof choose>[1]) => choose(world, choosing),
    /** Typing in a menu whose options the app has. */
    typeInMenu: (typing: Parameters<typeof type>[1]) => type(world, typing),
    /** The form as it stands, with what was chosen in it. */
    submitForm: (submission: Parameters<typeof submitForm>[1]) => submitForm(world, submission),
    submitView: (submission: { viewId: string; userId: string; values: Record<string, Record<string, string>> }) =>
      submitView(world, submission),
    /** What a person typed. */
    command: (wanted: SlashCommand) => sendSlash(world, slashPayload(world, wanted)),
    /** The form of a command that is not sent. */
    slashPayloadOf: (wanted: SlashCommand) => slashPayload(world, wanted),
    sendSlash: (payload: Record<string, string>) => sendSlash(world, payload),
    /** One signed request to our endpoint, exactly as given: for replays and forgeries. */
    deliver: (delivery: Delivery) => deliver(world, delivery),
    /** The payload of a click that is not sent. */
    payloadOf: (click: Click) => blockActions(world, click),
    /** The same payload several times, one after the other, as Slack does when it believes a delivery lost. */
    async sendAgain(payload: unknown, times: number): Promise<Ack[]> {
      const acks: Ack[] = []
      for (let attempt = 0; attempt < times; attempt += 1) acks.push(await sendOnce(world, payload, attempt))
      return acks
    },
    connectedSockets: () => world.sockets.size,
    /** Slack recycles connections every few hours: it says so and closes. */
    async recycleSockets(): Promise<void> {
      for (const socket of world.sockets) {
        socket.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' }))
      }
    },
    waitForMessage: (wanted: (message: FakeMessage) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.messages.find(wanted), 'message', timeoutMs),
    waitForEphemeral: (wanted: (ephemeral: FakeEphemeral) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.ephemerals.find(wanted), 'ephemeral message', timeoutMs),
    waitForHome: (userId: string, wanted: (home: FakeHome) => boolean, timeoutMs?: number) =>
      waitFor(
        world,
        () => [...world.homes.values()].find((home) => home.userId === userId && wanted(home)),
        'App Home',
        timeoutMs,
      ),
    waitForView: (wanted: (view: FakeView) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.views.find(wanted), 'view', timeoutMs),
    /** Socket Mode: until so many connections were opened in all, and one is open. */
    waitForConnections: (opened: number, timeoutMs?: number) =>
      waitFor(world, () => (world.opened >= opened && world.sockets.size > 0) || undefined, 'connection', timeoutMs),
    async close(): Promise<void> {
      for (const socket of world.sockets) socket.terminate()
      sockets.close()
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** What is there in one workspace, and what is done there most. */
function seenBy(world: World) {
  return {
    messages: world.messages as readonly FakeMessage[],
    ephemerals: world.ephemerals as readonly FakeEphemeral[],
    views: world.views as readonly FakeView[],
    calls: world.calls as readonly { method: string; args: Readonly<Record<string, string>>; error: string | null }[],
    /** The app is removed from it: its token is refused from now on; or it is there again. */
    setRevoked(isRevoked: boolean): void {
      world.isRevoked = isRevoked
    },
    click: (wanted: Click) => click(world, wanted),
    clickInView: (click: { viewId: string; actionId: string; userId: string }) => clickInView(world, click),
    slash: (typed: Parameters<typeof slash>[1]) => slash(world, typed),
    openHome: (opening: Parameters<typeof openHome>[1]) => openHome(world, opening),
    waitForMessage: (wanted: (message: FakeMessage) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.messages.find(wanted), 'message', timeoutMs),
    waitForEphemeral: (wanted: (ephemeral: FakeEphemeral) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.ephemerals.find(wanted), 'ephemeral message', timeoutMs),
    waitForView: (wanted: (view: FakeView) => boolean, timeoutMs?: number) =>
      waitFor(world, () => world.views.find(wanted), 'view', timeoutMs),
    waitForHome: (userId: string, wanted: (home: FakeHome) => boolean, timeoutMs?: number) =>
      waitFor(
        world,
        () => [...world.homes.values()].find((home) => home.userId === userId && wanted(home)),
        'App Home',
        timeoutMs,
      ),
  }
}

/** By the token that comes with a call, or by what an address names that was handed out before. */
function worldOf(worlds: readonly World[], { headers, url = '' }: IncomingMessage): World {
  const [first] = worlds
  if (first === undefined) throw new TypeError('there is no workspace')
  const token = headers.authorization?.replace('Bearer ', '')
  const key = url.match(/^\/response\/(.+)$/)?.[1] ?? ''
  const isUploadTo = ({ files }: World) => files.some(({ id }) => url.startsWith(`/upload/v1/${id}-`))
  return worlds.find((each) => each.botToken === token || each.responseUrls.has(key) || isUploadTo(each)) ?? first
}
