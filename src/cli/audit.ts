/**
 * `countersign audit list`, `audit show` and `audit digest`: recordings, for people and, with --json, for machines. Needs no running
 * gateway and no Redis. Every segment that is read is checked line by line, and a broken chain is said plainly and ends
 * with exit code 1, whatever else was asked for.
 */
import type { Command } from 'commander'
import { digestOf } from '../../jobs/audit-digest.ts'
import { isBroken, listSessions, type ReadEvent, readSession, type SegmentReport } from '../../jobs/recording/reader.ts'
import { spanInWords } from '../approval/in-words.ts'
import { inOrder, sessionOf } from '../audit/chain.ts'
import { digestText } from '../audit/digest-text.ts'
import { summariseSession } from '../audit/summarise.ts'
import type { SessionSummary } from '../audit/summary.ts'
import type { SessionOverview } from '../audit/timeline.ts'
import { nameOf, timelineLine } from '../audit/timeline.ts'
import { parseWeek, weekAt, weekFrom } from '../audit/week.ts'
import { epochMs } from '../brands.ts'
import { count, createTerminal, instant, type Output, type Terminal, timeOfDay } from './terminal.ts'

export interface AuditCommandWorld {
  /** `recordings.directory` of a settings file. Rejects with a sentence for people. */
  recordingsDirectory(settingsFile: string): Promise<string>
  /** The zone in which the settings' weeks begin. Rejects as above. */
  digestZone(settingsFile: string): Promise<string>
  readonly output: Output
  readonly env: Readonly<Record<string, string | undefined>>
  setExitCode(code: 0 | 1): void
}

interface AuditOptions {
  readonly dir?: string
  readonly config?: string
  readonly json?: boolean
}

interface DigestOptions extends AuditOptions {
  readonly week?: string
}

export function registerAudit(program: Command, world: AuditCommandWorld): void {
  const audit = program.command('audit').description('read recordings')
  withPlace(audit.command('list'))
    .description('list the recorded sessions, oldest first')
    .addHelpText('after', '\nExample:\n  $ countersign audit list --dir ./recordings')
    .action(async (options: AuditOptions, command: Command) => {
      await list(await placeOf(options, command, world), { options, command, world })
    })
  withPlace(audit.command('show'))
    .argument('<session>', 'id of a session (ses_…) or of its recording (rec_…)')
    .description('show what one session did, and check its chain')
    .addHelpText('after', '\nExample:\n  $ countersign audit show ses_k3v… --config countersign.yaml')
    .action(async (session: string, options: AuditOptions, command: Command) => {
      if (!/^(ses|rec)_\w+$/.test(session)) command.error(`error: ${session} is no session's id`, { exitCode: 2 })
      await show(session, await placeOf(options, command, world), { options, command, world })
    })
  withPlace(audit.command('digest'))
    .option('--week <week>', 'as ISO 8601 counts them, like 2026-W47; left out: the last whole one')
    .description('print what the weekly digest says')
    .addHelpText('after', '\nExample:\n  $ countersign audit digest --config countersign.yaml --week 2026-W47')
    .action(async (options: DigestOptions, command: Command) => {
      const zone = options.config === undefined ? 'UTC' : await world.digestZone(options.config)
      const last = weekFrom(weekAt(epochMs(Date.now()), zone), -1)
      const week = options.week === undefined ? last : parseWeek(options.week)
      if (week === null) return command.error('error: --week takes a week like 2026-W47', { exitCode: 2 })
      await digest({ week, zone }, await placeOf(options, command, world), { options, command, world })
    })
}

function withPlace(command: Command): Command {
  return command
    .option('--dir <directory>', 'where the recordings are')
    .option('--config <file>', 'the settings file that names the directory')
    .option('--json', 'one JSON value a line')
}

async function placeOf(options: AuditOptions, command: Command, world: AuditCommandWorld): Promise<string> {
  if (options.dir !== undefined) return options.dir
  if (options.config !== undefined) return world.recordingsDirectory(options.config)
  return command.error('error: say where the recordings are: --dir DIR or --config FILE', { exitCode: 2 })
}

// ---- list

interface Run {
  readonly options: AuditOptions
  readonly command: Command
  readonly world: AuditCommandWorld
}

async function list(directory: string, run: Run): Promise<void> {
  const { options, world } = run
  const terminal = createTerminal(world.output, world.env)
  const read = await readOrComplain(directory, run, () => listSessions(directory))
  if (read === null) return
  const { sessions, segments } = read
  if (options.json) for (const session of sessions) terminal.json(session)
  else {
    for (const session of sessions) printSession(terminal, session)
    if (sessions.length === 0) terminal.line('No sessions.')
  }
  finish(terminal, segments, options, world)
}

function printSession(terminal: Terminal, session: SessionOverview): void {
  const { principal, upstream, startedAt, endedAt, calls, held } = session
  terminal.line(['strong', session.sessionId])
  terminal.line(`  ${principal === null ? 'unknown' : nameOf(principal)} on ${upstream ?? 'unknown'}`)
  const length = endedAt === null ? 'not ended' : spanInWords(endedAt - startedAt)
  terminal.line(['faint', `  ${instant(startedAt)}, ${length}`])
  terminal.line(`  ${callsInWords(calls, 0)}${held === 0 ? '' : `; ${held} held`}`)
}

function callsInWords(calls: SessionSummary['calls'], unknownOutcomes: number): string {
  const parts = Object.entries(calls).map(([outcome, many]) => `${many} ${outcome}`)
  if (unknownOutcomes > 0) parts.push(`${unknownOutcomes} of unknown outcome`)
  return parts.length === 0 ? 'no calls' : parts.join(', ')
}

// ---- show

async function show(id: string, directory: string, run: Run): Promise<void> {
  const { options, world } = run
  const terminal = createTerminal(world.output, world.env)
  const read = await readOrComplain(directory, run, () => readSession(directory, sessionOf(id)))
  if (read === null) return
  const { events, segments } = read
  const ordered = inOrder(events) as readonly ReadEvent[]
  const summary = summariseSession(events.filter(({ trusted }) => trusted))
  if (options.json) {
    for (const event of ordered) terminal.json(event)
    if (summary !== null) terminal.json({ summary })
  } else {
    terminal.line(['strong', sessionOf(id)])
    for (const event of ordered) printEvent(terminal, event)
    if (events.length === 0) terminal.line(`No event of this session in ${directory}.`)
    printSummary(terminal, summary, events)
  }
  finish(terminal, segments, options, world)
  if (events.length === 0) world.setExitCode(1)
}

function printEvent(terminal: Terminal, { event, trusted }: ReadEvent): void {
  const { at, type, text, tone } = timelineLine(event)
  terminal.line(['faint', timeOfDay(at)], ` ${type}`, ['bad', trusted ? '' : ' NOT TRUSTED'])
  if (text !== '') terminal.line('  ', [tone, text])
}

function printSummary(terminal: Terminal, summary: SessionSummary | null, events: readonly ReadEvent[]): void {
  if (summary === null) {
    if (events.length > 0) terminal.line(['bad', 'Without session.started: moved away, or not on this machine.'])
    return
  }
  const { calls, unknownOutcomes, approvals, masked, recordingId, recordingHash, startedAt, endedAt } = summary
  terminal.line()
  terminal.line(`${nameOf(summary.principal)} on ${summary.upstream}`)
  terminal.line(`${instant(startedAt)}, ${spanInWords(endedAt - startedAt)}`)
  terminal.line(`calls: ${callsInWords(calls, unknownOutcomes)}`)
  for (const { tool, state, reviewers } of approvals) {
    terminal.line(`approval: ${tool} ${state}${reviewers.length === 0 ? '' : `, reviewed by ${reviewers.join(', ')}`}`)
  }
  for (const { detector, count: many } of masked) terminal.line(`masked: ${detector} ×${many}`)
  terminal.line(`recording ${recordingId}`)
  terminal.line(['faint', recordingHash])
}

// ---- digest

async function digest(of: Parameters<typeof digestOf>[1], directory: string, run: Run): Promise<void> {
  const terminal = createTerminal(run.world.output, run.world.env)
  const counted = await readOrComplain(directory, run, () => digestOf(directory, of))
  if (counted === null) return
  if (run.options.json) terminal.json(counted)
  else {
    const { headline, sections, warnings } = digestText(counted)
    terminal.line(['strong', headline])
    terminal.line(['faint', `${instant(counted.from)} to ${instant(counted.to)}`])
    for (const { title, rows, more } of sections) {
      terminal.line()
      terminal.line(title)
      for (const row of rows) terminal.line(`  ${row}`)
      if (more > 0) terminal.line(`  and ${more} more`)
    }
    for (const warning of warnings) terminal.line(['bad', warning])
  }
  run.world.setExitCode(counted.brokenSegments === 0 ? 0 : 1)
}

// ---- the chain

function finish(
  terminal: Terminal,
  segments: readonly SegmentReport[],
  options: AuditOptions,
  world: AuditCommandWorld,
): void {
  const broken = segments.filter(isBroken)
  if (options.json) terminal.json({ chain: broken.length === 0 ? 'whole' : 'broken', segments })
  else printChain(terminal, segments, broken)
  world.setExitCode(broken.length === 0 ? 0 : 1)
}

function printChain(terminal: Terminal, segments: readonly SegmentReport[], broken: readonly SegmentReport[]): void {
  for (const { file, problem, previous } of broken) {
    if (problem !== null) {
      terminal.line(['bad', `BROKEN at line ${problem.line + 1} of`])
      terminal.line(`  ${file}`)
      terminal.line(`  ${WHY[problem.why]}; don't trust what follows there`)
    }
    if (previous === 'broken') {
      terminal.line(['bad', 'BROKEN: lines are missing before'])
      terminal.line(`  ${file}`)
    }
  }
  for (const { file } of segments.filter(({ torn }) => torn)) terminal.line(['open', `torn end (a crash): ${file}`])
  for (const { file } of segments.filter(({ previous }) => previous === 'missing')) {
    terminal.line(['open', `the segment before is not here: ${file}`])
  }
  const events = segments.reduce((sum, segment) => sum + segment.events, 0)
  const checked = `${count(segments.length, 'segment')}, ${count(events, 'event')} checked`
  terminal.line([broken.length === 0 ? 'good' : 'bad', `chain ${broken.length === 0 ? 'whole' : 'broken'}: ${checked}`])
}

const WHY: Readonly<Record<NonNullable<SegmentReport['problem']>['why'], string>> = {
  header_missing: 'the first line is no segment header of this version',
  not_sealed: 'the line does not end with its hash',
  hash_mismatch: 'the line was changed',
  prev_mismatch: 'a line was removed, inserted or moved just before',
  seq_mismatch: 'the lines are not numbered one by one',
  not_an_event: 'the line is no event',
  line_too_long: 'the line is longer than any that a recorder writes',
  misnamed: 'the file has the name of another segment',
}

/** Null where the directory can't be read: that takes a sentence, no stack trace. */
async function readOrComplain<T>(directory: string, run: Run, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    // The reader's own limits are RangeErrors; what is neither they nor the file system's is our fault.
    const why = error instanceof RangeError ? error.message : (error as NodeJS.ErrnoException).code
    if (why === undefined) throw error
    run.command.configureOutput().writeErr?.(`error: can't read the recordings in ${directory}: ${why}\n`)
    run.world.setExitCode(1)
    return null
  }
}
