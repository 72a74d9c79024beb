/** What is not sent to Teams is never taken for a message that may be there: such a one is given up without Graph. */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createAppTokens } from '../../bots/teams/app-token.ts'
import { AnswerLost, boundedFetch, NotSent } from '../../bots/teams/bounded-fetch.ts'
import { createOutgoing, type OutgoingOptions } from '../../bots/teams/outgoing.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { type Channel, ChannelBusy, ChannelRefused, type Conversation, type Place } from '../../src/ports.ts'
import { aFreshApproval } from '../support/approvals.ts'
import { silentLog, systemClock } from '../support/redis.ts'

const TENANT = '11111111-1111-4111-8111-111111111111'
const ROOM: Conversation = {
  ...{ id: '19:approvals@thread.tacv2', kind: 'channel', tenantId: TENANT, oid: null, teamGroupId: null },
  serviceUrl: 'https://smba.trafficmanager.net/emea/',
}
const approval = aFreshApproval({ channels: ['teams'] })
const card = cardOf(approval)

function outgoing(
  change: Partial<OutgoingOptions> = {},
  library: object = {},
): { channel: Channel; sent: () => number } {
  let sends = 0
  const transport = {
    send: async () => String(++sends),
    members: async () => [],
    openPersonal: async () => null,
    ...library,
  }
  const channel = createOutgoing({
    settings: {
      ...{ appId: TENANT, tenantId: TENANT, endpoints: null },
      ...{ approvals: ROOM.id, summaries: ROOM.id },
    },
    transport: transport as never,
    conversations: conversations(),
    people: { isMember: async () => false },
    reviewerOf: () => null,
    oidByEmail: async () => null,
    ...{ graph: null, get: async () => approval, clock: systemClock, log: silentLog },
    ...change,
  })
  return { channel, sent: () => sends }
}

function conversations(change: Partial<OutgoingOptions['conversations']> = {}): OutgoingOptions['conversations'] {
  return {
    remember: async () => undefined,
    get: async () => ROOM,
    withPerson: async () => null,
    rooms: async () => [ROOM],
    forget: async () => undefined,
    ...change,
  }
}

const away = async () => {
  throw new GatewayError('store_unavailable', 'Redis is not connected')
}

describe('a card', () => {
  it.each<[string, Place, Partial<OutgoingOptions>]>([
    ['whose conversation cannot be read', 'teams', { conversations: conversations({ get: away }) }],
    ['whose approval cannot be read', 'teams', { get: away }],
    ['whose person Graph does not tell of', 'teams:requester', { oidByEmail: () => Promise.reject(new Error('no')) }],
    [
      'whose talk cannot be noted',
      'teams:requester',
      {
        oidByEmail: async () => TENANT,
        conversations: conversations({ withPerson: away }),
      },
    ],
  ])('[REQ-TEAMS-2] %s is put off, and was not sent', async (_name, place, change) => {
    const { channel, sent } = outgoing(change)
    await expect(channel.post(card, place)).rejects.toBeInstanceOf(ChannelBusy)
    expect(sent()).toBe(0)
  })

  it('for the person behind the agent waits while Teams does not tell who is there, and for nobody it refuses to name', async () => {
    const failing = (error: Error) => ({ members: () => Promise.reject(error) })
    const { channel } = outgoing({}, failing(new ChannelBusy(1000)))
    await expect(channel.post(card, 'teams:requester')).rejects.toBeInstanceOf(ChannelBusy)
    const large = outgoing({}, failing(new ChannelRefused('no', { code: 'too_many_members' })))
    expect(await large.channel.post(card, 'teams:requester')).toBeNull()
  })

  it('is posted where all of that is there', async () => {
    const { channel, sent } = outgoing()
    expect(await channel.post(card, 'teams')).toContain(ROOM.id)
    expect(sent()).toBe(1)
  })

  it('[REQ-TEAMS-2] is put off like whatever else begins a thread', async () => {
    const { channel } = outgoing({ conversations: conversations({ get: away }) })
    const summary = { sessionId: 'ses_1' } as never
    await expect(channel.summarise(summary, 'teams')).rejects.toBeInstanceOf(ChannelBusy)
    await expect(channel.digest?.({ week: '2026-W01' } as never, 'teams')).rejects.toBeInstanceOf(ChannelBusy)
    await expect(channel.notify('n', {} as never, 'teams')).rejects.toBeInstanceOf(ChannelBusy)
  })
})

describe('[REQ-TEAMS-2] a request', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })
  async function listening(server: Server): Promise<number> {
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const outcomeOf = (url: string, timeoutMs = 100) =>
    boundedFetch(url, { method: 'POST', headers: {}, body: '{}', timeoutMs }).catch((error: unknown) => error)

  it('that a firewall swallows before there is a connection was not sent', async () => {
    const sockets: Socket[] = []
    const port = await listening(createServer((socket) => void sockets.push(socket.on('error', () => undefined))))
    expect(await outcomeOf(`https://127.0.0.1:${port}/`)).toBeInstanceOf(NotSent)
    for (const socket of sockets) socket.destroy()
  })

  it('that nobody listens to was not sent', async () => {
    const server = createServer()
    const port = await listening(server)
    server.close()
    await once(server, 'close')
    expect(await outcomeOf(`http://127.0.0.1:${port}/`, 5000)).toBeInstanceOf(NotSent)
  })

  it.each<[string, string | null]>([
    ['is not answered in time', null],
    ['is answered with half an answer', 'HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{"id"'],
    ['is answered with what is no HTTP', 'SMTP\r\n\r\n'],
    ['is answered compressed', 'HTTP/1.1 201 Created\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\nx'],
    ['is answered without end', `HTTP/1.1 201 Created\r\n\r\n${'x'.repeat(1024 * 1024 + 1)}`],
  ])('that %s may have been taken', async (_name, answer) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => (answer === null ? socket.pause() : socket.end(answer)))
    })
    const port = await listening(server)
    expect(await outcomeOf(`http://127.0.0.1:${port}/`, answer === null ? 100 : 5000)).toBeInstanceOf(AnswerLost)
  })

  it('is sent nowhere else than where it was to go', async () => {
    let hops = 0
    const port = await listening(
      createHttpServer((_request, response) => {
        hops++
        response.writeHead(307, { location: '/elsewhere' }).end()
      }) as Server,
    )
    expect(await outcomeOf(`http://127.0.0.1:${port}/`, 5000)).toMatchObject({ status: 307 })
    expect(hops).toBe(1)
  })
})

describe('a token of the app’s own', () => {
  const SCOPE = 'https://api.botframework.com/.default'
  const HOUR_MS = 60 * 60_000
  function tokens(issue: () => Promise<string>) {
    let now = epochMs(0)
    const made = createAppTokens({ now: () => now }, async () => ({
      token: await issue(),
      expiresAt: now + HOUR_MS,
    }))
    const at = (ms: number) => {
      now = epochMs(ms)
    }
    return { ...made, at }
  }
  it('goes on being used while it is good and no new one is to be had, and no longer', async () => {
    let isAway = false
    const { token, at } = tokens(async () => {
      if (isAway) throw new ChannelBusy(1000)
      return 'first'
    })
    await token(SCOPE)
    isAway = true
    at(HOUR_MS - 60_000)
    expect(await token(SCOPE)).toBe('first')
    at(HOUR_MS)
    await expect(token(SCOPE)).rejects.toBeInstanceOf(ChannelBusy)
  })

  it('that was refused is not used again', async () => {
    let isAway = false
    const { token, forget, at } = tokens(async () => {
      if (isAway) throw new ChannelBusy(1000)
      return 'first'
    })
    await token(SCOPE)
    isAway = true
    at(HOUR_MS - 60_000)
    forget(SCOPE)
    await expect(token(SCOPE)).rejects.toBeInstanceOf(ChannelBusy)
  })
})
