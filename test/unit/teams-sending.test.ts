/** What is not sent to Teams is never taken for a message that may be there: such a one is given up without Graph. */
import { describe, expect, it } from 'vitest'
import { createAppTokens } from '../../bots/teams/app-token.ts'
import { createOutgoing, type OutgoingOptions } from '../../bots/teams/outgoing.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { type Channel, ChannelBusy, type Conversation, type Place } from '../../src/ports.ts'
import { aFreshApproval } from '../support/approvals.ts'
import { silentLog, systemClock } from '../support/redis.ts'

const TENANT = '11111111-1111-4111-8111-111111111111'
const ROOM: Conversation = {
  ...{ id: '19:approvals@thread.tacv2', kind: 'channel', tenantId: TENANT, oid: null, teamGroupId: null },
  serviceUrl: 'https://smba.trafficmanager.net/emea/',
}
const approval = aFreshApproval({ channels: ['teams'] })
const card = cardOf(approval)

function outgoing(change: Partial<OutgoingOptions> = {}): { channel: Channel; sent: () => number } {
  let sends = 0
  const transport = {
    send: async () => String(++sends),
    members: async () => [],
    openPersonal: async () => null,
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
