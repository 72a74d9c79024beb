/** Sessions against a real Redis, a real recorder and real jobs: none is lost, and none is called after its end. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRecentSessions } from '../../jobs/recent-sessions.ts'
import { readSegments, readSession } from '../../jobs/recording/reader.ts'
import { type FileRecorder, startRecorder } from '../../jobs/recording/recorder.ts'
import { createSegment } from '../../jobs/recording/segment.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { END, sessionKeys } from '../../jobs/session-store.ts'
import { type SessionSummaryOptions, SUMMARY_EVENTS_MAX, startSessionSummaries } from '../../jobs/session-summary.ts'
import { createSessions, type SessionRegistry } from '../../jobs/sessions.ts'
import { recordingHash, sealLine } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { SessionSummary } from '../../src/audit/summary.ts'
import type { SessionId } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import type { PrincipalSummary } from '../../src/identity/principal.ts'
import { type Channel, ChannelBusy, ChannelRefused, type Log, type MessageRef } from '../../src/ports.ts'
import { ALICE, intent, outcome } from '../support/audit-events.ts'
import { randomIds } from '../support/random-ids.ts'
import { silentLog, startTestRedis, systemClock, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const IDLE_MS = 300

let server: TestRedis
let redis: RedisHandle
let directory: string
let recorder: FileRecorder
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(() => server.stop())

beforeEach(async () => {
  redis = await server.connect()
  directory = await mkdtemp(join(tmpdir(), 'countersign-sessions-'))
  recorder = await record()
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await recorder.close()
  await rm(directory, { recursive: true, force: true })
})

function record(): Promise<FileRecorder> {
  const edges = { clock: systemClock, ids: randomIds, log: silentLog }
  return startRecorder({ directory, replica: 'test', sync: 'group', ...edges })
}

function gateway(more: { recorder?: FileRecorder; idleMs?: number } = {}): SessionRegistry {
  const edges = { redis, recorder, clock: systemClock, ids: randomIds, idleMs: IDLE_MS }
  const sessions = createSessions({ ...edges, ...more })
  closers.push(() => sessions.close())
  return sessions
}

function jobs(more: Partial<SessionSummaryOptions> = {}): void {
  const edges = { redis, recorder, clock: systemClock, log: silentLog, idleMs: IDLE_MS, directory, channels: [] }
  const worker = startSessionSummaries({
    ...edges,
    recent: createRecentSessions(redis),
    isBusy: async () => false,
    ...more,
  })
  closers.push(() => worker.close())
}

/** A channel that keeps what it was told; `answer` decides each time whether it takes it. */
function channel(name: Channel['name'], answer: (nth: number) => void = () => undefined) {
  const posted: SessionSummary[] = []
  const asked: SessionSummary[] = []
  const unused = () => Promise.reject(new Error('not asked for'))
  const self: Channel = {
    name,
    post: unused,
    update: unused,
    notify: unused,
    async summarise(summary) {
      asked.push(summary)
      answer(asked.length)
      posted.push(summary)
      return '{"channel":"C1","ts":"1.1"}' as MessageRef
    },
  }
  return { self, posted, asked }
}

/** A channel with threads. Of each message in turn `fate` says whether its poster hears of it. */
function threads(fate: (nth: number) => 'heard' | 'lost' | 'refused' = () => 'heard') {
  const shown: string[] = []
  let attempts = 0
  const show = (text: string): MessageRef => {
    const became = fate(attempts++)
    if (became === 'refused') throw new ChannelRefused('no', { code: 'not_now' })
    shown.push(text)
    if (became === 'lost') throw new Error('socket hang up')
    return JSON.stringify(text) as MessageRef
  }
  const refOf = (text: string) => (shown.includes(text) ? (JSON.stringify(text) as MessageRef) : null)
  const unused = () => Promise.reject(new Error('not asked for'))
  const self: Channel = {
    name: 'slack',
    post: unused,
    update: unused,
    notify: unused,
    summarise: async ({ sessionId }) => show(`summary of ${sessionId}`),
    detail: async (ref) => void show(`details below ${ref}`),
    async find(sent) {
      if (sent.kind === 'summary') return refOf(`summary of ${sent.sessionId}`)
      return sent.kind === 'reply' ? refOf(`details below ${sent.ref}`) : null
    },
  }
  return { self, shown }
}

async function recorded(): Promise<AuditEvent[]> {
  const events: AuditEvent[] = []
  await readSegments(directory, {}, ({ event }) => events.push(event))
  return events
}
const countOf = async (type: AuditEvent['type']) => (await recorded()).filter((event) => event.type === type).length

const person = (name: string): PrincipalSummary => ({ ...ALICE, id: principalId(ALICE.issuer, name), subject: name })
const endedAt = async (id: SessionId) =>
  Number((await redis.call('HGET', sessionKeys(redis).session(id), 'endedAt')) ?? 0)
const hasEnded = (id: SessionId) => until(`the end of ${id}`, async () => (await endedAt(id)) > 0)

describe('a session', () => {
  test('is one for all calls of a principal to an upstream, from however many replicas and however many at once', async () => {
    const [a, b] = [gateway(), gateway()]
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? a : b).touch(ALICE, 'files')))
    expect(new Set(ids).size).toBe(1)
    expect(await a.touch(ALICE, 'db')).not.toBe(ids[0])
    expect(await a.touch(person('bob'), 'files')).not.toBe(ids[0])
  })

  test('that this process knows is answered at once, without a promise', async () => {
    const sessions = gateway()
    const id = await sessions.touch(ALICE, 'files')
    expect(sessions.touch(ALICE, 'files')).toBe(id)
  })

  test('is announced once by its process, before the first call gets its id', async () => {
    const sessions = gateway()
    const ids = await Promise.all(Array.from({ length: 10 }, () => sessions.touch(ALICE, 'files')))
    expect(await recorded()).toMatchObject([
      { type: 'session.started', session_id: ids[0], principal: ALICE, upstream: 'files' },
    ])
  })

  test('whose start cannot be recorded lets no call through, and is recorded by the next that can', async () => {
    const broken = await record()
    await broken.close()
    const deaf = gateway({ recorder: broken })
    await expect(deaf.touch(ALICE, 'files')).rejects.toMatchObject({ code: 'recording_failed' })
    const id = await gateway().touch(ALICE, 'files')
    expect(await recorded()).toMatchObject([{ type: 'session.started', session_id: id }])
  })

  test('is kept alive by calls from memory alone', async () => {
    // Long enough that a stalled machine does not look like an idle agent.
    const idleMs = 1_000
    jobs({ idleMs })
    const sessions = gateway({ idleMs })
    const id = await sessions.touch(ALICE, 'files')
    const startedAt = Date.now()
    await until('three idle times of steady calls', async () => {
      expect(await sessions.touch(ALICE, 'files')).toBe(id)
      return Date.now() - startedAt > 3 * idleMs
    })
    expect(await endedAt(id)).toBe(0)
    await hasEnded(id)
  })

  test('that a worker elsewhere has ended is not answered from memory', async () => {
    jobs()
    const sessions = gateway()
    const first = await sessions.touch(ALICE, 'files')
    await hasEnded(first)
    expect(await sessions.touch(ALICE, 'files')).not.toBe(first)
  })

  test('never gets a call after its end, however close a call and the end come together', async () => {
    const keys = sessionKeys(redis)
    const replicas = [gateway(), gateway()]
    const touches: { id: SessionId; at: number }[] = []
    // Until the two have met often enough: sessions that ended under their callers, and sessions that lived on.
    const begun = new Set<SessionId>()
    const giveUpAt = Date.now() + 40_000
    const enough = () => (begun.size > 48 && touches.length > 2.5 * begun.size) || Date.now() > giveUpAt
    const caller = async (name: string) => {
      while (!enough()) {
        for (const sessions of replicas) {
          const at = Date.now()
          const id = await sessions.touch(person(name), 'files')
          begun.add(id)
          touches.push({ id, at })
        }
        // Around the idle time, so that calls and ends meet.
        await setTimeout(IDLE_MS * (0.8 + Math.random() * 0.4))
      }
    }
    // A worker that never waits: ends everything at the first instant at which it may.
    const ender = async () => {
      while (!enough()) {
        const open = (await redis.call('ZRANGE', keys.open, 0, -1)) as SessionId[]
        for (const id of open) await redis.run(END, [keys.session(id)], [id, IDLE_MS])
      }
    }
    await Promise.all([ender(), ...Array.from({ length: 16 }, (_, n) => caller(`person ${n}`))])

    const ids = [...begun]
    const ends = new Map(await Promise.all(ids.map(async (id) => [id, await endedAt(id)] as const)))
    const late = touches.filter(({ id, at }) => (ends.get(id) || Number.POSITIVE_INFINITY) <= at)
    expect(late).toEqual([])
    expect(ids.length).toBeGreaterThan(48)
    expect(touches.length).toBeGreaterThan(2.5 * ids.length)
    const starts = (await recorded()).flatMap((event) => (event.type === 'session.started' ? [event.session_id] : []))
    expect(new Set(starts)).toEqual(new Set(ids))
  })

  test('does not live on in memory while Redis is away', async () => {
    const sessions = gateway()
    await sessions.touch(ALICE, 'files')
    server.signal('SIGSTOP')
    try {
      const refused = await until('the first refusal', async () => {
        try {
          await sessions.touch(ALICE, 'files')
          return null
        } catch (error) {
          return error
        }
      })
      expect(refused).toMatchObject({ code: 'store_unavailable' })
    } finally {
      server.signal('SIGCONT')
    }
    await until('a session again', () => Promise.resolve(sessions.touch(ALICE, 'files')).catch(() => null))
  })
})

describe('the end of a session', () => {
  test('[REQ-SUMMARY-1] is recorded, and every channel is told once what the recording says', async () => {
    const [slack, page] = [channel('slack'), channel('console')]
    jobs({ channels: [slack.self, page.self] })
    jobs({ channels: [slack.self, page.self] })
    const id = await gateway().touch(ALICE, 'files')
    await recorder.record(intent(Date.now(), 'a', 'read_file', id), 'written')
    await recorder.record(outcome(Date.now(), 'a', 'succeeded', { session_id: id }), 'written')
    await recorder.record(intent(Date.now(), 'b', 'read_file', id), 'written')
    await until('both summaries', () => slack.posted.length > 0 && page.posted.length > 0)

    const { events } = await readSession(directory, id)
    expect(events.map(({ event }) => event.type)).toEqual([
      'session.started',
      'call.intent',
      'call.outcome',
      'call.intent',
      'session.ended',
    ])
    const told = {
      sessionId: id,
      principal: ALICE,
      upstream: 'files',
      calls: { succeeded: 1 },
      unknownOutcomes: 1,
      recordingId: id.replace('ses_', 'rec_'),
      recordingHash: recordingHash(events),
    }
    expect(slack.posted).toMatchObject([told])
    expect(page.posted).toMatchObject([told])
    const recent = createRecentSessions(redis)
    const listed = { upstream: 'files', calls: 2, recordingId: told.recordingId }
    const { sessions } = await until('its owner finds it among the recent ones', async () => {
      const found = await recent.list({ ownerEmail: String(ALICE.email), offset: 0, max: 10 })
      return found.sessions.some(({ recordingId }) => recordingId === told.recordingId) && found
    })
    expect(sessions.find(({ recordingId }) => recordingId === told.recordingId)).toMatchObject(listed)
    expect(await recent.list({ ownerEmail: 'bob@example.com', offset: 0, max: 10 })).toEqual({ sessions: [], total: 0 })
  })

  test('waits for approvals and grants that are still open', async () => {
    let busy = true
    let asked = 0
    const slack = channel('slack')
    jobs({
      channels: [slack.self],
      isBusy: async () => {
        asked += 1
        return busy
      },
    })
    const id = await gateway().touch(ALICE, 'files')
    await until('that it was asked three times', () => asked >= 3)
    expect(await endedAt(id)).toBe(0)
    busy = false
    await until('the summary', () => slack.posted.length === 1)
    expect(await countOf('session.ended')).toBe(1)
  })

  test('is told again where the channel refused, and once it was taken never more', async () => {
    const slack = channel('slack', (nth) => {
      if (nth === 1) throw new Error('down')
      if (nth === 2) throw new ChannelBusy(50)
    })
    jobs({ channels: [slack.self] })
    await gateway().touch(ALICE, 'files')
    await until('the summary', () => slack.posted.length === 1)
    expect(slack.asked).toHaveLength(3)
    expect(new Set(slack.asked.map(({ recordingHash }) => recordingHash)).size).toBe(1)
  })

  test('is carried through by the next worker where one died after ending it', async () => {
    const sessions = gateway()
    const id = await sessions.touch(ALICE, 'files')
    // What a worker does first; then it is gone.
    await until('the end', async () => {
      const answer = await redis.run(END, [sessionKeys(redis).session(id)], [id, IDLE_MS])
      return Array.isArray(answer) && answer[0] === 'ended'
    })
    const slack = channel('slack')
    jobs({ channels: [slack.self] })
    await until('the summary', () => slack.posted.length === 1)
    expect(await countOf('session.ended')).toBe(1)
  })

  test('that was recorded, but not told when the worker died, is not recorded twice', async () => {
    const id = await gateway().touch(ALICE, 'files')
    await until('the end', async () => {
      const answer = await redis.run(END, [sessionKeys(redis).session(id)], [id, IDLE_MS])
      return Array.isArray(answer) && answer[0] === 'ended'
    })
    await recorder.record({ type: 'session.ended', at: systemClock.now(), session_id: id, why: 'idle' }, 'synced')
    const slack = channel('slack')
    jobs({ channels: [slack.self] })
    await until('the summary', () => slack.posted.length === 1)
    expect(await countOf('session.ended')).toBe(1)
  })

  test('is not told twice where a worker of an earlier version died while telling it', async () => {
    const id = await gateway().touch(ALICE, 'files')
    const session = sessionKeys(redis).session(id)
    await redis.call('HSET', session, 'posted:slack', 'posting')
    const slack = threads()
    jobs({ channels: [slack.self] })
    await until('it is done with', async () => (await redis.call('HGET', session, 'posted:slack:details')) === 'posted')
    expect(slack.shown).toEqual([])
  })

  test.each<[string, number, string]>([
    ['before it was posted', 0, 'never shown'],
    ['when it was posted, and nobody had heard so', 0, 'shown'],
    ['between it and its details', 1, 'never shown'],
    ['when its details were posted, and nobody had heard so', 1, 'shown'],
  ])(
    '[REQ-SUMMARY-2] is one message with its details below it, once each, where a worker died %s',
    async (_when, nth, how) => {
      const slack = threads((attempt) => {
        if (attempt === nth) return how === 'shown' ? 'lost' : 'refused'
        return 'heard'
      })
      jobs({ channels: [slack.self] })
      jobs({ channels: [slack.self] })
      const id = await gateway().touch(ALICE, 'files')
      const session = sessionKeys(redis).session(id)
      await until(
        'it is done with',
        async () => (await redis.call('HGET', session, 'posted:slack:details')) === 'posted',
      )
      expect(slack.shown).toEqual([`summary of ${id}`, `details below "summary of ${id}"`])
    },
  )

  test('comes although its starter died before it could schedule it', async () => {
    const keys = sessionKeys(redis)
    const id = 'ses_orphan' as SessionId
    const pair = keys.pair(ALICE.id, 'files')
    await redis.call('SET', pair, id)
    await redis.call('HSET', keys.session(id), 'pair', pair, 'startedAt', Date.now(), 'touchedAt', Date.now())
    await redis.call('ZADD', keys.open, Date.now(), id)
    const warnings: string[] = []
    jobs({ log: { ...silentLog, warn: (message) => void warnings.push(message) } })
    await hasEnded(id)
    await until('that it is no longer listed', async () => (await redis.call('ZCARD', keys.open)) === 0)
    expect(await recorded()).toEqual([])
    expect(warnings).toEqual([expect.stringContaining('nothing of it is recorded here')])
  })

  test('is recorded also where the session is too long for a summary, and nobody waits for one for ever', async () => {
    const warnings: string[] = []
    const log: Log = { ...silentLog, warn: (message) => void warnings.push(message) }
    const id = await gateway().touch(ALICE, 'files')
    const header = { segment: 'seg_long', replica: 'test', startedAt: systemClock.now(), previous: null }
    const segment = createSegment(directory, header)
    let state = segment.state
    const lines = Array.from({ length: SUMMARY_EVENTS_MAX }, (_, n) => {
      const sealed = sealLine(
        {
          type: 'identity.stale_keys_used',
          at: epochMs(n),
          session_id: id,
          issuer: 'https://issuer.example',
          stale_ms: n,
        },
        state,
      )
      state = sealed.state
      return sealed
    })
    segment.append(lines)
    segment.close()

    const slack = channel('slack')
    jobs({ channels: [slack.self], log })
    await until('that it is said', () => warnings.some((message) => message.includes('too many events')), 30_000)
    expect(await countOf('session.ended')).toBe(1)
    expect(await redis.call('ZCARD', sessionKeys(redis).open)).toBe(0)
    expect(slack.asked).toEqual([])
  })
})
