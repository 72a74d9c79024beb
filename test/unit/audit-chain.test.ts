import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/audit/chain.ts'
import { inOrder, recordingHash, recordingId, sealHeader, sealLine, verifySegment } from '../../src/audit/chain.ts'
import type { SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { ended, intent, outcome, SESSION, segmentOf, started } from '../support/audit-events.ts'

const EVENTS = [started(1), intent(2, 'a'), outcome(3, 'a'), intent(4, 'b'), outcome(5, 'b'), ended(6)]
const LINES = segmentOf(EVENTS).lines

const bytes = (lines: readonly string[]) => Buffer.from(lines.join(''))

/** Changes one line and seals it again, as someone would who knows the format. */
function forge(line: string, change: (text: string) => string): string {
  const open = change(line.slice(0, -76))
  return `${open},"hash":"${createHash('sha256').update(open).digest('hex')}"}\n`
}

function edit(index: number, change: (line: string) => string): string[] {
  return LINES.map((line, at) => (at === index ? change(line) : line))
}

describe('the chain of a segment', () => {
  test('a segment as it was written verifies, and gives its events back', () => {
    const verdict = verifySegment(bytes(LINES))
    expect(verdict).toMatchObject({ ok: true, torn: false, header: { segment: 'seg_one', previous: null } })
    expect(verdict.ok && verdict.events.map(({ event }) => event)).toEqual(EVENTS)
    expect(verdict.ok && verdict.events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('anyone can recompute a hash from the bytes of the line alone', () => {
    for (const line of LINES) {
      const [open, rest] = line.split(',"hash":"') as [string, string]
      expect(createHash('sha256').update(open).digest('hex')).toBe(rest.slice(0, 64))
    }
  })

  const tampered: readonly [what: string, lines: readonly string[], line: number, why: string][] = [
    ['a changed value', edit(3, (line) => line.replace('succeeded', 'tool_error')), 3, 'hash_mismatch'],
    ['a changed header', edit(0, (line) => line.replace('"test"', '"else"')), 0, 'hash_mismatch'],
    ['white space that means nothing in JSON', edit(2, (line) => line.replace('{', '{ ')), 2, 'hash_mismatch'],
    ['a changed hash', edit(2, (line) => line.replace(/.("\}\n)$/, 'x$1')), 2, 'not_sealed'],
    ['another good hash', edit(2, (line) => line.replace(/"hash":"..../, '"hash":"0000')), 2, 'hash_mismatch'],
    [
      'an edited line, sealed again',
      edit(2, (line) => forge(line, (text) => text.replace('read_file', 'x'))),
      3,
      'prev_mismatch',
    ],
    [
      'an edited header, sealed again',
      edit(0, (line) => forge(line, (text) => text.replace('test', 'x'))),
      1,
      'prev_mismatch',
    ],
    [
      'another number, sealed again',
      edit(6, (line) => forge(line, (text) => text.replace('"seq":6', '"seq":7'))),
      6,
      'seq_mismatch',
    ],
    ['a removed line', LINES.toSpliced(3, 1), 3, 'prev_mismatch'],
    ['a removed header', LINES.slice(1), 0, 'header_missing'],
    ['the first event removed', LINES.toSpliced(1, 1), 1, 'prev_mismatch'],
    ['two lines swapped', LINES.toSpliced(2, 2, LINES[3] as string, LINES[2] as string), 2, 'prev_mismatch'],
    ['a line twice', LINES.toSpliced(3, 0, LINES[2] as string), 3, 'prev_mismatch'],
    [
      'a line of another segment',
      LINES.toSpliced(3, 1, segmentOf(EVENTS, { segment: 'seg_two' }).lines[3] as string),
      3,
      'prev_mismatch',
    ],
    ['a line that is no JSON', LINES.toSpliced(3, 0, 'hello\n'), 3, 'not_sealed'],
    ['an empty line', LINES.toSpliced(3, 0, '\n'), 3, 'not_sealed'],
    [
      'a sealed line that is no JSON',
      LINES.toSpliced(
        6,
        1,
        forge(LINES[6] as string, () => 'hello '.repeat(20)),
      ),
      6,
      'not_an_event',
    ],
    [
      'an event without a time, sealed again',
      edit(6, (line) => forge(line, (text) => text.replace('"at":6', '"at":"6"'))),
      6,
      'not_an_event',
    ],
    ['a second header in between', LINES.toSpliced(3, 0, LINES[0] as string), 3, 'prev_mismatch'],
    [
      'a header of a later format',
      edit(0, (line) => forge(line, (text) => text.replace('"format":1', '"format":2'))),
      0,
      'header_missing',
    ],
    ['nothing at all', [], 0, 'header_missing'],
  ]
  test.each(tampered)('[REQ-RECORD-2] %s is found', (_what, lines, line, why) => {
    expect(verifySegment(bytes(lines))).toEqual({ ok: false, line, why })
  })

  test('[REQ-RECORD-2] every single changed byte of an event is found', () => {
    const whole = bytes(LINES)
    const from = Buffer.byteLength(LINES.slice(0, 2).join(''))
    for (let at = from; at < from + Buffer.byteLength(LINES[2] as string); at += 1) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] as number) ^ 1
      expect(verifySegment(changed).ok, `byte ${at}`).toBe(false)
    }
  })

  test('bytes that are no UTF-8 do not pass for the replacement character that they decode to', () => {
    const { lines } = segmentOf([intent(1, '\ufffd')])
    const whole = bytes(lines)
    const at = whole.indexOf(Buffer.from('\ufffd'))
    const changed = Buffer.concat([whole.subarray(0, at), Buffer.from([0xff]), whole.subarray(at + 3)])
    expect(verifySegment(whole).ok).toBe(true)
    expect(verifySegment(changed)).toMatchObject({ ok: false, why: 'hash_mismatch' })
  })

  test('a torn last line is a crash, not tampering, and its event counts for nothing', () => {
    const whole = bytes(LINES)
    const lastStart = Buffer.byteLength(LINES.slice(0, -1).join(''))
    for (let length = lastStart + 1; length < whole.length; length += 1) {
      const verdict = verifySegment(whole.subarray(0, length))
      expect(verdict).toMatchObject({ ok: true, torn: true })
      expect(verdict.ok && verdict.events.length).toBe(EVENTS.length - 1)
    }
  })

  test('a name that looks like a seal does not move the seal', () => {
    const tricky = intent(1, `","hash":"${'0'.repeat(64)}"}`)
    const verdict = verifySegment(bytes(segmentOf([tricky, outcome(2, 'x')]).lines))
    expect(verdict.ok && verdict.events[0]?.event).toEqual(tricky)
  })

  test('the next segment names the last good line of the one before', () => {
    const { last } = segmentOf(EVENTS)
    const next = sealHeader({
      segment: 'seg_two',
      replica: 'test',
      startedAt: epochMs(9),
      previous: { segment: last.segment, hash: last.hash },
    })
    expect(verifySegment(Buffer.from(next.line))).toMatchObject({
      ok: true,
      header: { previous: { segment: 'seg_one', hash: last.hash } },
    })
  })

  test('a chain is the same whoever holds the state: sealing changes nothing but its answer', () => {
    const { state } = sealHeader({ segment: 'seg_one', replica: 'r', startedAt: epochMs(0), previous: null })
    expect(sealLine(started(1), state)).toEqual(sealLine(started(1), state))
  })
})

describe('the hash of a recording', () => {
  const one = segmentOf([started(1), outcome(5, 'b')], { segment: 'seg_a' }).recorded
  const two = segmentOf([intent(3, 'a'), outcome(3, 'a'), ended(9)], { segment: 'seg_b' }).recorded
  const byHand = (events: readonly (RecordedEvent | undefined)[]) =>
    createHash('sha256')
      .update(events.map((event) => event?.hash).join(''))
      .digest('hex')

  test('is SHA-256 over the hashes as text, ordered by time, segment and number', () => {
    expect(recordingHash([...one, ...two])).toBe(byHand([one[0], two[0], two[1], one[1], two[2]]))
  })

  test('does not depend on the order in which segments are read', () => {
    expect(recordingHash([...two, ...one])).toBe(recordingHash([...one, ...two]))
  })

  test('stays as published when a line arrives after the end', () => {
    const late = segmentOf([outcome(12, 'late')], { segment: 'seg_c' }).recorded
    expect(recordingHash([...one, ...two, ...late])).toBe(recordingHash([...one, ...two]))
  })

  test('changes when any event is missing', () => {
    const all = [...one, ...two]
    const whole = recordingHash(all)
    for (const missing of all) expect(recordingHash(all.filter((event) => event !== missing))).not.toBe(whole)
  })

  test('orders events of one instant by segment, then by number', () => {
    const same = [
      ...segmentOf([started(1), started(1)], { segment: 'seg_b' }).recorded,
      ...segmentOf([started(1)]).recorded,
    ]
    expect(inOrder(same).map(({ segment, seq }) => `${segment} ${seq}`)).toEqual(['seg_b 1', 'seg_b 2', 'seg_one 1'])
  })

  test('a recording is called as its session, under its own prefix', () => {
    expect(recordingId(SESSION)).toBe('rec_one')
    expect(recordingId('ses_ses_x' as SessionId)).toBe('rec_ses_x')
  })
})
