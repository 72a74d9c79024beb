/** The recorder against a real file system: what it acknowledges is there, and when it can't, it says so. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isBroken, listSessions, readSegments, readSession } from '../../jobs/recording/reader.ts'
import type { FileRecorder, RecorderOptions } from '../../jobs/recording/recorder.ts'
import { startRecorder } from '../../jobs/recording/recorder.ts'
import { verifySegment } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { ended, intent, outcome, SESSION, started } from '../support/audit-events.ts'
import { randomIds } from '../support/random-ids.ts'
import { silentLog, systemClock } from '../support/redis.ts'
import { until } from '../support/until.ts'

const RECORD_LOOP = fileURLToPath(new URL('../../dist/test/support/record-loop.js', import.meta.url))
const NOBODY = '65534'

let directory: string
const open: FileRecorder[] = []
const children: ChildProcess[] = []

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'countersign-recording-')), 'recordings')
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(open.splice(0).map((recorder) => recorder.close()))
  rmSync(join(directory, '..'), { recursive: true, force: true })
})

async function record(options: Partial<RecorderOptions> = {}): Promise<FileRecorder> {
  const recorder = await startRecorder({
    directory,
    replica: 'test',
    sync: 'group',
    clock: systemClock,
    ids: randomIds,
    log: silentLog,
    ...options,
  })
  open.push(recorder)
  return recorder
}

/** What the directory holds, in the order of the files; every line was checked. */
async function recorded(where = directory) {
  const events: AuditEvent[] = []
  const segments = await readSegments(where, {}, ({ event }) => events.push(event))
  return { events, segments, broken: segments.filter(isBroken) }
}

const files = (where = directory) => readdirSync(where).map((name) => join(where, name))
const callIds = (events: readonly AuditEvent[]) => events.map((event) => ('call_id' in event ? event.call_id : ''))

/** Starts test/support/record-loop.ts; a shell in between may set limits first. */
function recordLoop(
  args: readonly string[],
  shell = '',
): { child: ChildProcess; lines: string[]; ended: Promise<unknown> } {
  const command = `${shell}exec "$0" "$@"`
  const child = spawn('/bin/sh', ['-c', command, process.execPath, RECORD_LOOP, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines: string[] = []
  if (child.stdout === null) throw new Error('no standard output')
  const reader = createInterface(child.stdout).on('line', (line) => lines.push(line))
  return { child, lines, ended: once(reader, 'close') }
}

const numbersOf = (word: string, lines: readonly string[]) =>
  lines.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.split(' ')[1]))

describe('a recording', () => {
  test('keeps the order of the calls under 16 concurrent writers, in one unbroken chain', async () => {
    const recorder = await record()
    const called: string[] = []
    const writer = async (name: number) => {
      for (let n = 0; n < 50; n += 1) {
        called.push(`call_${name}-${n}`)
        await recorder.record(intent(n, `${name}-${n}`), n % 5 === 0 ? 'synced' : 'written')
      }
    }
    await Promise.all(Array.from({ length: 16 }, (_, name) => writer(name)))
    const { events, broken } = await recorded()
    expect(callIds(events)).toEqual(called)
    expect(broken).toEqual([])
  })

  test('can be read by its owner alone, and its files sort by time', async () => {
    await (await record({ clock: { now: () => 0 as never } })).close()
    await (await record({ clock: { now: () => 1_000 as never } })).close()
    const names = readdirSync(directory).sort()
    expect(names[0]).toMatch(/^19700101T000000000Z-seg_[0-9a-f]{32}\.ndjson$/)
    expect(names[1]).toMatch(/^19700101T000001000Z-seg_/)
    expect(files().map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600])
    expect(statSync(directory).mode & 0o777).toBe(0o700)
  })

  test('goes on in a new segment when one is full, chained to it, and loses nothing', async () => {
    const recorder = await record({ maxSegmentBytes: 4_000 })
    for (let n = 0; n < 40; n += 1) await recorder.record(intent(n, String(n)), n % 3 === 0 ? 'synced' : 'written')
    await recorder.close()
    const { events, segments, broken } = await recorded()
    expect(segments.length).toBeGreaterThan(3)
    expect(segments.map(({ previous }) => previous)).toEqual(['none', ...segments.slice(1).map(() => 'found')])
    expect(new Set(callIds(events))).toEqual(new Set(Array.from({ length: 40 }, (_, n) => `call_${n}`)))
    expect(broken).toEqual([])
    expect(files().every((file) => statSync(file).size <= 4_000)).toBe(true)
  })

  test('refuses after it was closed, and closing writes what was asked for before', async () => {
    const recorder = await record()
    const asked = recorder.record(started(1), 'synced')
    await recorder.close()
    await asked
    await expect(recorder.record(ended(2), 'written')).rejects.toMatchObject({ code: 'recording_failed' })
    expect(recorder.canRecord()).toEqual({ ok: false, why: 'it is closed' })
    expect((await recorded()).events).toEqual([started(1)])
  })

  test('refuses one event that is too large, and goes on with the others', async () => {
    const recorder = await record()
    const large = outcome(1, 'x'.repeat(17 * 1024 * 1024))
    await expect(recorder.record(large, 'written')).rejects.toMatchObject({ code: 'recording_failed' })
    await recorder.record(started(2), 'synced')
    expect((await recorded()).events).toEqual([started(2)])
  })

  test('takes no more than it can hold while the disk has to catch up', async () => {
    const recorder = await record()
    const results = await Promise.allSettled(
      Array.from({ length: 20_001 }, (_, n) => recorder.record(started(n), 'synced')),
    )
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(results.at(-1)).toMatchObject({ reason: { code: 'recording_failed' } })
    expect((await recorded()).events).toHaveLength(20_000)
  })
})

describe('after kill -9', () => {
  test.each(['synced', 'written'])('every event that was acknowledged as %s is in the file', async (durability) => {
    const { child, lines, ended: outputEnded } = recordLoop([directory, durability, '8', '-'])
    await until('300 acknowledged events', () => numbersOf('ack', lines).length >= 300)
    child.kill('SIGKILL')
    await outputEnded
    const acknowledged = numbersOf('ack', lines)
    const { events, broken } = await recorded()
    const inFile = new Set(callIds(events))
    expect(acknowledged.filter((number) => !inFile.has(`call_${number}` as never))).toEqual([])
    expect(broken).toEqual([])
  })

  test('a torn line stays as it is, counts for nothing, and the next segment names the last good line', async () => {
    const first = await record()
    await first.record(started(1), 'synced')
    await first.record(intent(2, 'a'), 'synced')
    await first.close()
    const [torn = ''] = files()
    const half = readFileSync(torn, 'utf8').split('\n')[2]?.slice(0, 100)
    appendFileSync(torn, `${half}`)
    const size = statSync(torn).size
    const before = verifySegment(readFileSync(torn))

    await (await record()).record(outcome(3, 'a'), 'synced')
    expect(statSync(torn).size).toBe(size)
    const { events, segments, broken } = await recorded()
    expect(events).toEqual([started(1), intent(2, 'a'), outcome(3, 'a')])
    expect(segments.map((segment) => segment.torn)).toEqual([true, false])
    expect(segments[1]?.previous).toBe('found')
    expect(broken).toEqual([])
    const [, next = ''] = files().sort()
    const after = verifySegment(readFileSync(next))
    expect(before.ok && after.ok && after.header.previous?.hash).toBe(before.ok && before.events.at(-1)?.hash)
  })

  test('a file without a whole header is passed over for the one before it', async () => {
    const first = await record()
    await first.record(started(1), 'synced')
    await first.close()
    writeFileSync(join(directory, '29990101T000000000Z-seg_torn.ndjson'), '{"type":"segm')
    await (await record()).record(ended(2), 'synced')
    const { segments, broken } = await recorded()
    expect(segments.map(({ previous }) => previous)).toEqual(['none', 'found', 'none'])
    expect(broken).toEqual([])
  })
})

describe('when the recording cannot be written', () => {
  test('a write that is cut short refuses its events, and a new segment goes on from the last whole line', async () => {
    mkdirSync(directory)
    // RLIMIT_FSIZE: the kernel writes as much as is allowed, then fails with EFBIG. 32 blocks of 512 bytes.
    const { child, lines, ended: outputEnded } = recordLoop([directory, 'written', '8', '-'], 'ulimit -f 32; ')
    await until('three files', () => files().length >= 3)
    await until('200 acknowledged events', () => numbersOf('ack', lines).length >= 200)
    child.kill('SIGKILL')
    await outputEnded
    const { events, segments, broken } = await recorded()
    const inFile = new Set(callIds(events))
    expect(numbersOf('ack', lines).filter((number) => !inFile.has(`call_${number}` as never))).toEqual([])
    expect(lines.filter((line) => /^refused \d+ recording_failed$/.test(line)).length).toBeGreaterThan(0)
    expect(lines.filter((line) => line.startsWith('refused') && !line.endsWith(' recording_failed'))).toEqual([])
    expect(broken).toEqual([])
    expect(segments.slice(1).map(({ previous }) => previous)).toEqual(segments.slice(1).map(() => 'found'))
    expect(segments.some(({ torn }) => torn)).toBe(true)
  })

  test('a directory that it may not write to refuses everything, until it may', async () => {
    mkdirSync(directory, { recursive: true })
    const asRoot = process.getuid?.() === 0
    chmodSync(join(directory, '..'), 0o755)
    chmodSync(directory, 0o555)
    const { lines } = recordLoop([directory, 'synced', '1', asRoot ? NOBODY : '-'])
    await until('some refusals', () => numbersOf('refused', lines).length >= 3)
    expect(lines[0]).toBe('ready EACCES')
    expect(numbersOf('ack', lines)).toEqual([])
    expect(readdirSync(directory)).toEqual([])

    chmodSync(directory, 0o777)
    await until('an acknowledged event', () => numbersOf('ack', lines).length >= 1)
    const firstAck = lines.findIndex((line) => line.startsWith('ack'))
    expect(lines.slice(firstAck).filter((line) => line.startsWith('refused'))).toEqual([])
  })

  test.skipIf(!canMount())('a full disk refuses everything, until there is room again', async () => {
    mkdirSync(directory, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory])
    try {
      writeFileSync(join(directory, 'ballast'), Buffer.alloc(128 * 1024))
      const recorder = await record()
      const acknowledged = await recordUntilRefused(recorder)
      await expect(recorder.record(ended(1), 'synced')).rejects.toMatchObject({ code: 'recording_failed' })
      expect(recorder.canRecord()).toMatchObject({ ok: false, why: 'ENOSPC' })

      unlinkSync(join(directory, 'ballast'))
      await until('room again', () => recorder.canRecord().ok)
      await recorder.record(ended(2), 'synced')
      await recorder.close()
      const { events, broken, segments } = await recorded()
      expect(broken).toEqual([])
      expect(segments.at(-1)?.previous).toBe('found')
      expect(callIds(events).slice(0, acknowledged.length)).toEqual(acknowledged)
      expect(events.at(-1)).toEqual(ended(2))
    } finally {
      await Promise.all(open.splice(0).map((recorder) => recorder.close()))
      execFileSync('umount', [directory])
    }
  })

  async function recordUntilRefused(recorder: FileRecorder): Promise<string[]> {
    const acknowledged: string[] = []
    for (let n = 0; n < 10_000; n += 1) {
      try {
        await recorder.record(intent(n, String(n)), 'written')
        acknowledged.push(`call_${n}`)
      } catch (error) {
        expect(error).toMatchObject({ code: 'recording_failed' })
        return acknowledged
      }
    }
    throw new Error('the disk never was full')
  }
})

describe('reading a directory that was changed afterwards', () => {
  async function threeSegments(): Promise<string[]> {
    const recorder = await record({ maxSegmentBytes: 1 })
    await recorder.record(started(1), 'synced')
    await recorder.record(intent(2, 'a'), 'synced')
    await recorder.record(outcome(3, 'a'), 'synced')
    await recorder.close()
    // Three within a millisecond have no order by name; their chain has one.
    const paths = files()
    expect(paths).toHaveLength(3)
    return paths.sort((a, b) => firstSeenAt(a) - firstSeenAt(b))
  }
  const firstSeenAt = (file: string) => JSON.parse(readFileSync(file, 'utf8').split('\n')[1] ?? '').at

  test('lines cut off the end of a finished segment are missed by the one that follows', async () => {
    const [first = ''] = await threeSegments()
    const [header] = readFileSync(first, 'utf8').split('\n')
    writeFileSync(first, `${header}\n`)
    const { segments } = await recorded()
    expect(segments.filter(isBroken).map(({ previous }) => previous)).toEqual(['broken'])
  })

  test('a segment that was emptied is not taken for one that was moved away', async () => {
    await (await record()).close()
    await (await record()).close()
    const first = files().find((file) => readFileSync(file, 'utf8').includes('"previous":null')) ?? ''
    writeFileSync(first, '')
    const { segments } = await recorded()
    expect(segments.map(({ previous }) => previous).sort()).toEqual(['broken', 'none'])
  })

  test('a segment under the name of another is not counted as that one', async () => {
    const recorder = await record()
    await recorder.record(started(1), 'synced')
    await recorder.close()
    const [original = ''] = files()
    writeFileSync(original.replace(/seg_[a-z0-9]+/, 'seg_another'), readFileSync(original))
    const { segments } = await recorded()
    expect(segments.map(({ problem }) => problem)).toContainEqual({ line: 0, why: 'misnamed' })
    expect((await listSessions(directory)).sessions.map(({ events }) => events)).toEqual([1])
  })

  test('a segment that was taken away is said to be missing', async () => {
    const [, second = ''] = await threeSegments()
    unlinkSync(second)
    const { segments } = await recorded()
    expect(segments.map(({ previous }) => previous).sort()).toEqual(['missing', 'none'])
  })

  test('events behind a changed line are shown as not trusted, and the list leaves them out', async () => {
    const recorder = await record()
    for (const event of [started(1), intent(2, 'a'), outcome(3, 'a'), ended(4)]) await recorder.record(event, 'written')
    await recorder.close()
    const [file = ''] = files()
    writeFileSync(file, readFileSync(file, 'utf8').replace('succeeded', 'abandoned'))
    const { events, segments } = await readSession(directory, SESSION)
    expect(events.map(({ trusted }) => trusted)).toEqual([true, true, false, false])
    expect(segments[0]?.problem).toEqual({ line: 3, why: 'hash_mismatch' })
    expect((await listSessions(directory)).sessions).toMatchObject([{ sessionId: SESSION, calls: {}, endedAt: null }])
  })

  test('a file without line feeds cannot fill the memory', async () => {
    await (await record()).close()
    writeFileSync(join(directory, '29990101T000000000Z-seg_x.ndjson'), Buffer.alloc(40 * 1024 * 1024, 'x'))
    const { segments } = await recorded()
    expect(segments[1]?.problem).toEqual({ line: 0, why: 'line_too_long' })
  })
})

/** Mounting needs root and a kernel that lets this root do it. */
function canMount(): boolean {
  const where = mkdtempSync(join(tmpdir(), 'countersign-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', where], { stdio: 'ignore' })
    execFileSync('umount', [where])
    return true
  } catch {
    return false
  } finally {
    rmSync(where, { recursive: true, force: true })
  }
}
