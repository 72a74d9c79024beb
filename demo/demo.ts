/**
 * `npm run demo`: a risky call of a real agent waits for a person. Everything behind it is real and on this machine.
 *
 * Exit codes: 0 when each step held, also when the person denied; 1 when one did not; 2 wrong usage; 130 when it was
 * interrupted before its end.
 */
import path from 'node:path'
import { Command, CommanderError } from 'commander'
import { seeWhatIsLeft } from './aftermath.ts'
import { ALICE, BOB } from './cast.ts'
import type { Environment, Setting } from './setting.ts'
import { setTheStage } from './setting.ts'
import type { Telling } from './story.ts'
import {
  approveByItself,
  meetTheAgent,
  readAndBeRefused,
  seeWhatCameOfIt,
  sendRiskyCall,
  tryAgain,
  waitForPerson,
} from './story.ts'
import type { Trace } from './trace.ts'
import { createTrace, Interrupted, StepFailed } from './trace.ts'

interface Options {
  readonly auto: boolean
  readonly directory: string | null
}

const INTERRUPTED = 130

/** What the options ask for; an exit code where there is nothing to do. */
function readOptions(argv: readonly string[], env: Environment): Options | number {
  const program = new Command('npm run demo --')
    .description('Shows an agent’s risky call waiting for a person, with real parts on this machine.')
    .option('--auto', 'the reviewer clicks by himself; exits 0 only if each step held')
    .option('--dir <directory>', 'keep here what the demo makes: settings, policy, recordings, files, log')
    .addHelpText('after', '\nExample:\n  $ npm run demo -- --auto --dir ./demo-run')
    .exitOverride()
    .showHelpAfterError('(--help shows how)')
  try {
    const { auto, dir } = program.parse(argv, { from: 'user' }).opts<{ auto?: boolean; dir?: string }>()
    // npm runs scripts in the project's folder, and says where it was called (npm docs, "npm run-script").
    const directory = dir === undefined ? null : path.resolve(env.INIT_CWD ?? '.', dir)
    return { auto: auto === true, directory }
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
}

async function run(options: Options, env: Environment): Promise<number> {
  const interruption = new AbortController()
  // Each time: whoever presses Ctrl-C twice must not leave processes behind.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort())
  const trace = createTrace(process.stdout, env, interruption.signal)
  const closers: (() => Promise<void> | void)[] = []
  const play = { trace, env, directory: options.directory, closers }
  const parts: { setting?: Setting } = {}
  try {
    introduce(trace, options)
    parts.setting = await setTheStage(play)
    await tell({ trace, setting: parts.setting, answers: [], tokens: [] }, options)
    await stayOpen(trace, parts.setting, options, interruption.signal)
    return 0
  } catch (error) {
    if (error instanceof Interrupted) return INTERRUPTED
    if (!(error instanceof StepFailed)) throw error
    explain(trace, parts.setting, options)
    return 1
  } finally {
    if (interruption.signal.aborted) trace.say('Stopping everything …')
    for (const close of closers.reverse()) await close()
  }
}

function introduce(trace: Trace, { auto }: Options): void {
  trace.heading('Countersign: a risky call waits for a person')
  trace.say(
    `An AI agent works for ${ALICE.login}. It may read files; before it writes one, somebody else has to agree. ` +
      (auto ? `Here ${BOB.login} clicks by himself.` : `That is you, as ${BOB.login}.`),
  )
}

async function tell(telling: Telling, { auto }: Options): Promise<void> {
  const agent = await meetTheAgent(telling)
  await readAndBeRefused(telling, agent)
  const held = await sendRiskyCall(telling, agent)
  const reviewer = auto ? await approveByItself(telling, held) : null
  if (reviewer === null) await waitForPerson(telling, held)
  await seeWhatCameOfIt(telling, held)
  if (reviewer !== null) await tryAgain(telling, agent, held, reviewer)
  await agent.close()
  await seeWhatIsLeft(telling, held, reviewer)
}

/** By hand the page stays, until whoever looks at it has seen enough. Without a terminal nobody could end it. */
async function stayOpen(trace: Trace, { workspace }: Setting, { auto }: Options, signal: AbortSignal): Promise<void> {
  trace.heading('Every step held.')
  trace.say(
    workspace.isKept
      ? `countersign.yaml, policy.yaml, recordings/, files/ and gateway.log stay in ${workspace.directory}`
      : 'What it made is removed at the end; --dir DIR keeps it.',
  )
  if (auto || process.stdin.isTTY !== true) return
  trace.say('')
  trace.say(
    `The gateway and the console run on until you press Ctrl-C. To look around meanwhile: ${workspace.directory}`,
  )
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** The end of the gateway's log says most about what went wrong. */
function explain(trace: Trace, setting: Setting | undefined, { directory }: Options): void {
  if (setting === undefined) return
  trace.heading('The end of the gateway’s log')
  for (const line of setting.gateway.output().trimEnd().split('\n').slice(-15)) trace.say(line)
  if (directory === null) trace.say('With --dir DIR the demo keeps the whole log and the recordings.')
}

const options = readOptions(process.argv.slice(2), process.env)
const code = typeof options === 'number' ? options : await run(options, process.env)
// What still polls or holds a connection has nothing to say any more; what was printed must get out first.
process.stdout.write('', () => process.exit(code))
