/** `countersign audit` on recordings that a recorder wrote. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRecorder } from '../../jobs/recording/recorder.ts'
import { recordingId } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { SessionId } from '../../src/brands.ts'
import { registerAudit } from '../../src/cli/audit.ts'
import { ended, intent, outcome, requested, resolved, reviewed, SESSION, started } from '../support/audit-events.ts'
import { randomIds } from '../support/random-ids.ts'
import { silentLog, systemClock } from '../support/redis.ts'

const AT = Date.UTC(2026, 7, 1, 10, 11, 12, 345)
const EVIL = 'ses_evil' as SessionId
const EVENTS: readonly AuditEvent[] = [
  started(AT),
  requested(AT + 1_000, 'x'),
  reviewed(AT + 2_000, 'x', 'bob'),
  resolved(AT + 2_000, 'x', 'approved'),
  intent(AT + 2_100, 'held', 'write_file'),
  outcome(AT + 2_200, 'held', 'succeeded', { tool: 'write_file', masked: [{ detector: 'aws-key', count: 2 }] }),
  intent(AT + 3_000, 'lost'),
  ended(AT + 65_000),
  started(AT + 70_000, EVIL),
  intent(AT + 71_000, 'evil', '\u001b[2J\u202eelif_daer', EVIL),
]

let root: string
let whole: string
let broken: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'countersign-audit-'))
  whole = join(root, 'whole')
  broken = join(root, 'broken')
  for (const directory of [whole, broken]) await record(directory)
  const [name = ''] = readdirSync(broken)
  const path = join(broken, name)
  writeFileSync(path, readFileSync(path, 'utf8').replace('"outcome":"succeeded"', '"outcome":"expired"'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function record(directory: string): Promise<void> {
  const edges = { clock: systemClock, ids: randomIds, log: silentLog }
  const recorder = await startRecorder({ directory, replica: 'test', sync: 'group', ...edges })
  for (const event of EVENTS) await recorder.record(event, 'written')
  await recorder.close()
}

async function run(args: readonly string[], { isTTY = false, env = {} } = {}) {
  const said = { text: '', errors: '', exitCode: 0 }
  const say = (more: string) => {
    said.text += more
  }
  const complain = (more: string) => {
    said.errors += more
  }
  const setExitCode = (code: number) => {
    said.exitCode = code
  }
  const program = new Command().exitOverride().configureOutput({ writeOut: say, writeErr: complain })
  registerAudit(program, {
    recordingsDirectory: async (file) => join(file, '..', 'whole'),
    digestZone: async () => 'Europe/Berlin',
    output: { isTTY, write: say },
    env,
    setExitCode,
  })
  inherit(program)
  try {
    await program.parseAsync(['audit', ...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    setExitCode(error.exitCode)
  }
  return { ...said, lines: said.text.trimEnd().split('\n') }
}

/** Commander copies these settings only to commands that are made after them. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    inherit(child)
  }
}

describe('audit list', () => {
  test('[REQ-RECORD-4] says of each session who, where, when, how long and what came of it', async () => {
    const { lines, exitCode } = await run(['list', '--dir', whole])
    expect(exitCode).toBe(0)
    expect(lines).toEqual([
      'ses_one',
      '  alice@example.com on files',
      '  2026-08-01 10:11:12Z, 1 m 5 s',
      '  1 succeeded; 1 held',
      'ses_evil',
      '  alice@example.com on files',
      '  2026-08-01 10:12:22Z, not ended',
      '  no calls',
      'chain whole: 1 segment, 10 events checked',
    ])
  })

  test('finds the directory by the settings file', async () => {
    expect((await run(['list', '--config', join(root, 'countersign.yaml')])).lines).toContain('ses_one')
  })

  test('speaks JSON to machines, the chain in the last line', async () => {
    const { lines } = await run(['list', '--dir', whole, '--json'])
    const values = lines.map((line) => JSON.parse(line))
    expect(values.map(({ sessionId }) => sessionId)).toEqual([SESSION, EVIL, undefined])
    expect(values.at(-1)).toMatchObject({ chain: 'whole', segments: [{ events: 10 }] })
  })

  test('ends with 1 and says where the chain is broken', async () => {
    const { text, exitCode } = await run(['list', '--dir', broken])
    expect(exitCode).toBe(1)
    expect(text).toContain('BROKEN at line 7 of')
    expect(text).toContain('the line was changed')
    expect(JSON.parse((await run(['list', '--dir', broken, '--json'])).lines.at(-1) ?? '')).toMatchObject({
      chain: 'broken',
    })
  })
})

describe('audit show', () => {
  test('[REQ-RECORD-4] tells one session line by line, then what it comes to', async () => {
    const { lines, exitCode } = await run(['show', SESSION, '--dir', whole])
    expect(exitCode).toBe(0)
    expect(lines).toEqual([
      'ses_one',
      '10:11:12.345 session.started',
      '  alice@example.com on files',
      '10:11:13.345 approval.requested',
      '  write_file: held by writers, asked in console',
      '10:11:14.345 approval.reviewed',
      '  approve by bob@example.com in console',
      '10:11:14.345 approval.resolved',
      '  approved',
      '10:11:14.445 call.intent',
      '  write_file: allow by readers',
      '10:11:14.545 call.outcome',
      '  write_file: succeeded, 3 ms, masked aws-key ×2',
      '10:11:15.345 call.intent',
      '  read_file: allow by readers',
      '10:12:17.345 session.ended',
      '  idle',
      '',
      'alice@example.com on files',
      '2026-08-01 10:11:12Z, 1 m 5 s',
      'calls: 1 succeeded, 1 of unknown outcome',
      'approval: write_file approved, reviewed by bob',
      'masked: aws-key ×2',
      'recording rec_one',
      expect.stringMatching(/^[0-9a-f]{64}$/),
      'chain whole: 1 segment, 10 events checked',
    ])
  })

  test('knows a session by its recording too', async () => {
    expect((await run(['show', recordingId(SESSION), '--dir', whole])).lines[0]).toBe('ses_one')
  })

  test('marks what stands behind a broken line, counts none of it, and ends with 1', async () => {
    const { text, exitCode } = await run(['show', SESSION, '--dir', broken])
    expect(exitCode).toBe(1)
    expect(text).toContain('call.outcome NOT TRUSTED')
    expect(text).toContain('calls: 1 of unknown outcome')
    expect(text).toContain('chain broken')
  })

  test('lets no tool’s name move the cursor or turn the text around', async () => {
    const { text } = await run(['show', EVIL, '--dir', whole], { isTTY: false })
    expect(text).toContain('⟨U+001B⟩[2J⟨U+202E⟩elif_daer: allow by readers')
    expect(text).not.toContain('\u001b')
    expect(text).not.toContain('\u202e')
  })

  test('gives machines the events, the summary and the chain', async () => {
    const values = (await run(['show', SESSION, '--dir', whole, '--json'])).lines.map((line) => JSON.parse(line))
    expect(values.slice(0, -2).map(({ event }) => event)).toEqual(EVENTS.slice(0, 8))
    expect(values.at(-2)).toMatchObject({ summary: { sessionId: SESSION, unknownOutcomes: 1 } })
    expect(values.at(-1)).toMatchObject({ chain: 'whole' })
  })

  test('ends with 1 where there is no such session', async () => {
    const { text, exitCode } = await run(['show', 'ses_none', '--dir', whole])
    expect(text).toContain('No event of this session')
    expect(exitCode).toBe(1)
  })
})

describe('audit', () => {
  const usage: readonly [what: string, args: readonly string[], says: string][] = [
    ['no place', ['list'], '--dir DIR or --config FILE'],
    ['what is no session’s id', ['show', '../x', '--dir', '.'], 'no session'],
  ]
  test.each(usage)('refuses %s as wrong usage', async (_what, args, says) => {
    const { errors, exitCode } = await run(args)
    expect(exitCode).toBe(2)
    expect(errors).toContain(says)
  })

  test('says which directory it cannot read', async () => {
    const { errors, exitCode } = await run(['list', '--dir', join(root, 'nowhere')])
    expect(errors).toMatch(/can't read the recordings in .*nowhere: ENOENT/)
    expect(exitCode).toBe(1)
  })

  test.each([
    ['on a terminal', { isTTY: true }, true],
    ['not where NO_COLOR is set', { isTTY: true, env: { NO_COLOR: '1' } }, false],
    ['not on a dumb terminal', { isTTY: true, env: { TERM: 'dumb' } }, false],
    ['not into a file', { isTTY: false }, false],
  ])('paints %s', async (_where, world, painted) => {
    expect((await run(['list', '--dir', whole], world)).text.includes('\u001b[')).toBe(painted)
  })

  test.each([['list'], ['show']])('%s has help with an example', async (name) => {
    expect((await run([name, '--help'])).text).toContain(`Example:\n  $ countersign audit ${name}`)
  })
})

describe('audit digest', () => {
  const digest = (...args: string[]) => run(['digest', '--week', '2026-W31', ...args])

  test('[REQ-DIGEST-1] prints what a week was, by the zone of the settings', async () => {
    const { lines, exitCode } = await digest('--config', join(root, 'countersign.yaml'))
    expect(exitCode).toBe(0)
    expect(lines.slice(0, 8)).toEqual([
      'Week 2026-W31: 1 approval asked for, 3 calls',
      '2026-07-26 22:00:00Z to 2026-08-02 22:00:00Z',
      '',
      'Decisions',
      '  1 approved, 0 denied, 0 expired, 0 cancelled',
      '  half of the reviews came within 1 s',
      '',
      'Reviewers',
    ])
    expect(lines.join('\n')).not.toContain('\u202e')
  })

  test('speaks JSON to machines', async () => {
    const { lines } = await digest('--dir', whole, '--json')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ week: '2026-W31', zone: 'UTC', calls: 3 }])
  })

  test('ends with 1 and says so where the chain is broken', async () => {
    const { text, exitCode } = await digest('--dir', broken)
    expect(exitCode).toBe(1)
    expect(text).toContain('The chain of 1 recording file is broken')
  })

  test.each(['2026-47', '2026-W54', '2026-W00', 'now'])('%s is no week', async (week) => {
    const { errors, exitCode } = await run(['digest', '--dir', whole, '--week', week])
    expect(exitCode).toBe(2)
    expect(errors).toContain('--week takes a week like 2026-W47')
  })
})
