/** Notices on their way to channels that are busy, fail, or whose answer is lost. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNotices, type NoticesService, startNoticesWorker } from '../../jobs/notices.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { epochMs } from '../../src/brands.ts'
import type { ChannelName } from '../../src/policy/decision.ts'
import { type Channel, ChannelBusy, ChannelRefused, type MessageRef, type Notice } from '../../src/ports.ts'
import { systemClock as clock, silentLog as log, startTestRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
let server: TestRedis
let redis: RedisHandle

beforeEach(async () => {
  server = await startTestRedis()
  redis = await server.connect('test')
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await server.stop()
})

const thawed: Notice = {
  type: 'thawed',
  scope: { kind: 'all' },
  by: { id: 'slack:T1:U2', email: 'bob@example.com', name: 'Bob' },
  at: epochMs(1_900_000_000_000),
}

/** A channel that shows what it was told, then does as each failure says: before it shows anything, or after. */
function aChannel(name: ChannelName) {
  const shown: string[] = []
  const failures: { error: Error; isShown: boolean }[] = []
  const unused = () => Promise.reject(new Error('not asked for'))
  const channel: Channel = {
    name,
    post: unused,
    update: unused,
    summarise: unused,
    async notify(id) {
      const failure = failures.shift()
      if (failure?.isShown !== false) shown.push(id)
      if (failure !== undefined) throw failure.error
    },
    find: async (sent) => (sent.kind === 'notice' && shown.includes(sent.id) ? ('{}' as MessageRef) : null),
  }
  return { channel, shown, failures }
}

function service(...names: ChannelName[]): NoticesService {
  const notices = createNotices(redis, names)
  cleanups.push(() => notices.close())
  return notices
}
function worker(...channels: Channel[]): void {
  const started = startNoticesWorker({ redis, channels, clock, log })
  cleanups.push(() => started.close())
}

describe('a notice', () => {
  it('is told in every channel, by whichever process has it', async () => {
    const slack = aChannel('slack')
    const console = aChannel('console')
    worker(slack.channel)
    worker(console.channel)
    await service('slack', 'console').send('thaw-1', thawed)
    await until('both are told', () => slack.shown.length + console.shown.length === 2)
    expect([slack.shown, console.shown]).toEqual([['thaw-1'], ['thaw-1']])
  })

  it('waits for a channel that nobody speaks to yet', async () => {
    await service('slack').send('thaw-1', thawed)
    const slack = aChannel('slack')
    worker(slack.channel)
    await until('it is told', () => slack.shown.length === 1)
  })

  it('is told once although it is sent again, before and after it was told', async () => {
    const slack = aChannel('slack')
    const notices = service('slack')
    await Promise.all([notices.send('thaw-1', thawed), notices.send('thaw-1', thawed)])
    worker(slack.channel)
    await until('it is told', () => slack.shown.length === 1)
    await notices.send('thaw-1', thawed)
    await notices.send('thaw-2', thawed)
    await until('the next is told', () => slack.shown.includes('thaw-2'))
    expect(slack.shown).toEqual(['thaw-1', 'thaw-2'])
  })

  it.each<[string, Error, boolean]>([
    ['is busy', new ChannelBusy(300), false],
    ['refuses it for now', new ChannelRefused('no', { code: 'not_in_channel' }), false],
    ['shows it, and its answer is lost', new Error('socket hang up'), true],
  ])('is told once where the channel %s', async (_sentence, error, isShown) => {
    const slack = aChannel('slack')
    slack.failures.push({ error, isShown })
    worker(slack.channel)
    const notices = service('slack')
    await notices.send('thaw-1', thawed)
    await until('it is told', () => slack.shown.length === 1)
    await notices.send('thaw-2', thawed)
    await until('the next is told', () => slack.shown.includes('thaw-2'))
    await until('nothing is left to do', async () => (await left()) === 0)
    expect([...slack.shown].sort()).toEqual(['thaw-1', 'thaw-2'])
  })
})

async function left(): Promise<number> {
  const keys = (await redis.call('KEYS', `${redis.queuePrefix}:notices-slack:notice-*`)) as string[]
  return keys.length
}
