/** The weekly digest on its way to Slack: a real Redis, real recordings, several processes. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createOutgoing } from '../../bots/slack/outgoing.ts'
import { openWorkspaces } from '../../bots/slack/workspaces.ts'
import { type AuditDigestOptions, startAuditDigests } from '../../jobs/audit-digest.ts'
import { startRecorder } from '../../jobs/recording/recorder.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { type DigestSchedule, latestDue, startOf, weekFrom } from '../../src/audit/week.ts'
import { epochMs } from '../../src/brands.ts'
import type { Channel } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { intent, requested, resolved, reviewed, started } from '../support/audit-events.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import { randomIds } from '../support/random-ids.ts'
import { silentLog as log, startTestRedis, systemClock, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const SCHEDULE: DigestSchedule = { day: 0, minute: 540, zone: 'UTC' }
const WEEK_MS = 7 * 86_400_000
const weeksAgo = (weeks: number) => ({ now: () => epochMs(Date.now() - weeks * WEEK_MS) })

const cleanups: (() => Promise<unknown> | unknown)[] = []
let server: TestRedis
let redis: RedisHandle
let slack: FakeSlack
let directory: string

beforeEach(async () => {
  server = await startTestRedis()
  redis = await server.connect('test')
  slack = await startFakeSlack({ channels: ['C0APPROVALS', 'C0SUMMARIES'] })
  directory = await mkdtemp(join(tmpdir(), 'countersign-digest-'))
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await slack.close()
  await server.stop()
  await rm(directory, { recursive: true, force: true })
})

/** As a process that starts: its own connection, its own web client. */
async function aProcess(more: Partial<AuditDigestOptions> = {}): Promise<() => Promise<void>> {
  const own = await server.connect('test')
  const { apiUrl } = slack
  const rooms = { approvals: 'C0APPROVALS', summaries: 'C0SUMMARIES' }
  const edge = { apiUrl, clock: systemClock, log }
  const workspaces = openWorkspaces({ botToken: new Secret(slack.botToken), ...rooms, workspaces: new Map(), ...edge })
  const channel = createOutgoing({ workspaces, get: async () => null, clock: systemClock, log })
  const edges = { redis: own, schedule: SCHEDULE, directory, channels: [channel], clock: systemClock, log }
  const digests = startAuditDigests({ ...edges, ...more })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= digests.close()
    return closing
  }
  cleanups.push(close)
  return close
}

/** A process ran so long ago, and knew of the week whose digest was due next. */
async function wasRunning(weeks: number): Promise<void> {
  const close = await aProcess({ clock: weeksAgo(weeks) })
  await until('it has planned', async () => (await jobs()).length > 0)
  await close()
  // Its job would be due by BullMQ's own clock, which is not so long ago: it is lost, and what was planned is not.
  const keys = (await redis.call('KEYS', `${redis.queuePrefix}:audit-digests:*`)) as string[]
  await redis.call('DEL', ...keys)
}

const newest = () => latestDue(systemClock.now(), SCHEDULE)
const told = () => redis.call('HGET', redis.key('digests'), 'slack')
const isTold = () => until('the newest is told', async () => (await told()) === newest(), 60_000)
const digests = () => slack.messages.filter(({ metadata }) => metadata?.event_type === 'countersign_digest')
async function jobs(): Promise<readonly string[]> {
  const keys = (await redis.call('KEYS', `${redis.queuePrefix}:audit-digests:digest-*`)) as string[]
  return keys.map((key) => /digest-\d{4}-W\d{2}/.exec(key)?.[0] ?? key)
}
const nextIsPlanned = () =>
  until('the next week’s is planned', async () => (await jobs()).includes(`digest-${weekFrom(newest(), 1)}`))

async function recordAWeek(): Promise<void> {
  const recorder = await startRecorder({
    ...{ directory, replica: 'test', sync: 'group', clock: systemClock, ids: randomIds, log },
  })
  const at = startOf(newest(), 'UTC')
  const events = [
    started(at + 1_000),
    intent(at + 2_000, 'a'),
    requested(at + 3_000, 'x'),
    reviewed(at + 45_000, 'x', 'bob'),
    resolved(at + 45_000, 'x', 'approved'),
  ]
  for (const event of events) await recorder.record(event, 'written')
  await recorder.close()
}

describe('[REQ-DIGEST-2] the digest of a week', () => {
  it('is posted once by two processes, and not again by one that starts later', async () => {
    await recordAWeek()
    await wasRunning(1)
    await Promise.all([aProcess(), aProcess()])
    await isTold()
    await nextIsPlanned()
    await aProcess()
    await nextIsPlanned()
    expect(digests().map(({ channel, text }) => [channel, text])).toEqual([
      ['C0SUMMARIES', `Week ${newest()}: 1 approval asked for, 1 call`],
    ])
    expect(JSON.stringify(digests()[0]?.blocks)).toContain('bob (bob@example.com): 1 approved, median 42 s')
  })

  it('is posted once where its answer is lost, by whoever comes next', async () => {
    await wasRunning(1)
    slack.failNext('chat.postMessage', { isAnswerLost: true })
    await aProcess()
    await isTold()
    expect(digests()).toHaveLength(1)
    expect(slack.calls.some(({ method }) => method === 'conversations.history')).toBe(true)
  })

  it('that was missed is posted late; of several the newest alone, and a quiet one says so', async () => {
    await wasRunning(4)
    await aProcess()
    await isTold()
    await nextIsPlanned()
    expect(digests().map(({ text }) => text)).toEqual([`Week ${newest()}: nothing happened`])
  })

  it('that came before anything was installed is not posted', async () => {
    await aProcess()
    await nextIsPlanned()
    expect(await jobs()).toEqual([`digest-${weekFrom(newest(), 1)}`])
    expect(digests()).toEqual([])
  })

  it('waits for a Slack that is away', async () => {
    await wasRunning(1)
    slack.failNext('chat.postMessage', { retryAfterSec: 1 })
    slack.failNext('chat.postMessage', { error: 'not_in_channel' })
    await aProcess()
    await isTold()
    expect(digests()).toHaveLength(1)
  })

  it('is planned for no channel that takes none', async () => {
    const unused = () => Promise.reject(new Error('not asked for'))
    const console: Channel = { name: 'console', post: unused, update: unused, summarise: unused, notify: unused }
    const close = await aProcess({ channels: [console] })
    await close()
    expect(await redis.call('EXISTS', redis.key('digests'))).toBe(0)
  })
})
