/** The conversations of Teams, remembered in a real Redis. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createConversations } from '../../jobs/conversations.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import type { Conversation, Conversations } from '../../src/ports.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const TENANT = '11111111-1111-1111-1111-111111111111'
const OID = '22222222-2222-2222-2222-222222222222'
const ROOM: Conversation = {
  id: '19:room@thread.tacv2',
  kind: 'channel',
  tenantId: TENANT,
  serviceUrl: 'https://smba.trafficmanager.net/emea/',
  oid: null,
  teamGroupId: '33333333-3333-3333-3333-333333333333',
}
const TALK: Conversation = { ...ROOM, id: 'a:talk', kind: 'personal', oid: OID, teamGroupId: null }

let server: TestRedis
let redis: RedisHandle
let conversations: Conversations

beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(() => server.stop())

/** Each with a prefix of its own. */
async function fresh(limits: Parameters<typeof createConversations>[1] = {}): Promise<void> {
  redis = await server.connect()
  conversations = createConversations(redis, limits)
}

describe('a conversation', () => {
  it('is known again as it was told of, by its id and, a talk of two, by its person', async () => {
    await fresh()
    await conversations.remember(ROOM)
    await conversations.remember(TALK)
    expect(await conversations.get(ROOM.id)).toEqual(ROOM)
    expect(await conversations.withPerson(TENANT, OID)).toEqual(TALK)
    expect(await conversations.get('19:other@thread.tacv2')).toBeNull()
    expect(await conversations.withPerson(TENANT, TENANT)).toBeNull()
  })

  it('[REQ-DELIVERY-4] is still known after Redis died and came back', async () => {
    await fresh()
    // As the embedded Redis is set: synced every second, a killed server can have lost what was written last.
    await redis.call('CONFIG', 'SET', 'appendfsync', 'always')
    await conversations.remember(ROOM)
    server.signal('SIGKILL')
    await until('the loss is noticed', () => !redis.isReady())
    await server.restart()
    await redis.whenReady()
    expect(await conversations.get(ROOM.id)).toEqual(ROOM)
  })

  it('is reached where it said last, and keeps what a later word leaves out', async () => {
    await fresh()
    await conversations.remember(ROOM)
    await conversations.remember({ ...ROOM, serviceUrl: 'https://smba.trafficmanager.net/uk/', teamGroupId: null })
    expect(await conversations.get(ROOM.id)).toEqual({ ...ROOM, serviceUrl: 'https://smba.trafficmanager.net/uk/' })
  })

  it('is gone, for its person too, where the bot was taken out of it', async () => {
    await fresh()
    await conversations.remember(TALK)
    await conversations.forget(TALK.id)
    await conversations.forget(TALK.id)
    expect(await conversations.get(TALK.id)).toBeNull()
    expect(await conversations.withPerson(TENANT, OID)).toBeNull()
  })

  it('of a person who has a newer one leaves that to its person', async () => {
    await fresh()
    await conversations.remember(TALK)
    await conversations.remember({ ...TALK, id: 'a:newer' })
    await conversations.forget(TALK.id)
    expect((await conversations.withPerson(TENANT, OID))?.id).toBe('a:newer')
  })

  it('that was heard of longest ago makes room, and talks never push out a room', async () => {
    await fresh({ talksMax: 2, roomsMax: 1 })
    await conversations.remember(ROOM)
    for (const id of ['a:1', 'a:2', 'a:3']) await conversations.remember({ ...TALK, id, oid: id })
    const known = await Promise.all(['a:1', 'a:2', 'a:3', ROOM.id].map((id) => conversations.get(id)))
    expect(known.map((each) => each?.id ?? null)).toEqual([null, 'a:2', 'a:3', ROOM.id])
    expect(await conversations.withPerson(TENANT, 'a:1')).toBeNull()
    expect(await conversations.rooms(5)).toEqual([ROOM])
  })
})
