/** The demo as people run it: built, in a process of its own, and gone without a trace when it ends. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openConsole } from '../../demo/console-reviewer.ts'
import type { SlackUse } from '../../demo/example-files.ts'
import { policyText, settingsText, slackUseOf } from '../../demo/example-files.ts'
import type { Started } from '../../demo/processes.ts'
import { start } from '../../demo/processes.ts'
import { formatProblems } from '../../src/config/problems.ts'
import { parseSettings } from '../../src/config/settings.ts'
import { loadPolicy } from '../../src/policy/load.ts'

const DEMO = fileURLToPath(new URL('../../dist/demo/demo.js', import.meta.url))
/** Redis of its own, and no workspace, whatever the machine has. */
const ALONE = { REDIS_URL: '', SLACK_BOT_TOKEN: '', SLACK_APP_TOKEN: '', SLACK_SIGNING_SECRET: '' }
const REPORT = '# Report\n\nAll tests passed. Ship it on Monday.\n'
const LINK = /(http:\S+\/console\/open\?code=\S+)/

interface Ended {
  readonly code: number | null
  readonly output: string
  /** What still runs of it. */
  readonly left: readonly string[]
}

let scratch: string
let kept: string
beforeAll(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'demo-test-'))
  kept = path.join(scratch, 'not', 'there yet')
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** In a process group of its own, so that what it leaves behind can be found by it. */
function demo(args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  return start(process.execPath, [DEMO, ...args], { env: { ...process.env, ...ALONE, ...env }, detached: true })
}

async function ended(running: Started): Promise<Ended> {
  const [code] = (await once(running.child, 'close')) as [number | null]
  const redis = (await redisAnswers()) ? ['Redis'] : []
  return { code, output: running.output(), left: [...processesLeft(running), ...redis] }
}

/** Of its group, and the gateway or whoever else was told of its directory. */
function processesLeft({ child }: Started): readonly string[] {
  return execFileSync('ps', ['-Ao', 'pgid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.trim().startsWith(`${child.pid} `) || line.includes(scratch))
}

/** Its arguments tell nothing of the demo. */
function redisAnswers(): Promise<boolean> {
  const endpoint = path.join(kept, '.countersign', 'redis', 'endpoint.json')
  if (!existsSync(endpoint)) return Promise.resolve(false)
  const { port } = JSON.parse(readFileSync(endpoint, 'utf8')) as { port: number }
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** The marks of the numbered steps, in order. */
function marks(output: string): string {
  const steps = [...output.matchAll(/^ ?(\d+) ([✓✗]) /gm)]
  expect(steps.map(([, number]) => Number(number))).toEqual(steps.map((_, at) => at + 1))
  return steps.map(([, , mark]) => mark).join('')
}

describe('the demo, clicking by itself', () => {
  let run: Ended
  beforeAll(async () => {
    run = await ended(demo(['--auto', '--dir', kept]))
  })

  it('ticks every step and exits 0', () => {
    expect(run.output).toContain('Every step held.')
    expect(marks(run.output)).toBe('✓'.repeat(21))
    expect(run.code).toBe(0)
  })

  it('prints nothing but its trace, without colours, where there is no terminal', () => {
    expect(run.output).not.toContain('\u001b')
    expect(run.output).not.toMatch(/warning/i)
    // A link or a path can't be broken; everything else fits.
    const tooLong = run.output.split('\n').filter((line) => line.length > 80 && !line.includes('/'))
    expect(tooLong).toEqual([])
  })

  it('keeps what it made in the directory', () => {
    expect(readdirSync(kept)).toEqual(
      expect.arrayContaining(['countersign.yaml', 'policy.yaml', 'recordings', 'files', 'gateway.log']),
    )
    expect(readFileSync(path.join(kept, 'files', 'report.md'), 'utf8')).toBe(REPORT)
    expect(readdirSync(path.join(kept, 'recordings')).filter((name) => name.endsWith('.ndjson'))).toHaveLength(1)
  })

  it('leaves no process behind', () => {
    expect(run.left).toEqual([])
  })
})

describe('the demo, by hand, in the directory of an earlier run', () => {
  it('waits for the person, and says what the agent was told when they deny', async () => {
    const running = demo(['--dir', kept])
    const [, link = ''] = await running.line(LINK, 60_000)
    expect(existsSync(path.join(kept, 'files', 'report.md'))).toBe(false)
    const reviewer = await openConsole(link)
    const [card] = (await reviewer.state()).json.pending
    const click = await reviewer.click(card?.approvalId ?? '', 'deny', 'Not on a Monday')
    expect(click, 'the link is shown only once the card is there').toMatchObject({ status: 200, body: { ok: true } })
    const run = await ended(running)
    expect(run.output).toContain('denied by bob@example.com in console')
    expect(run.output).toContain('Denied by a reviewer: Not on a Monday.')
    expect(marks(run.output)).toMatch(/^✓{17}$/)
    expect(run).toMatchObject({ code: 0, left: [] })
    expect(existsSync(path.join(kept, 'files', 'report.md'))).toBe(false)
  })

  it.each([
    ['while it waits for the person', LINK, ['SIGINT', 'SIGINT']],
    ['while the gateway and its Redis start', / 3 ✓ /, ['SIGTERM']],
  ] as const)('stops everything when it is interrupted %s', async (_when, seen, signals) => {
    const running = demo(['--dir', kept])
    await running.line(seen, 60_000)
    for (const signal of signals) running.child.kill(signal)
    const run = await ended(running)
    expect(run.output).toContain('Stopping everything …')
    expect(run).toMatchObject({ code: 130, left: [] })
  })
})

describe('a demo that cannot go on', () => {
  it.each([
    ['a file', 'note.txt', /note\.txt is no directory\. Choose another --dir\./],
    ['somebody’s own directory', '.', /is not empty, and not from an\s+earlier demo\. Choose an/],
  ])('says so when --dir is %s, and touches nothing', async (_what, name, says) => {
    const own = mkdtempSync(path.join(tmpdir(), 'demo-own-'))
    writeFileSync(path.join(own, 'note.txt'), 'mine')
    const run = await ended(demo(['--auto', '--dir', path.join(own, name)]))
    // Paths break lines where they are long.
    expect(run.output.replaceAll(/\n +/g, ' ')).toMatch(says)
    expect(marks(run.output)).toBe('✗')
    expect(run.code).toBe(1)
    expect(readdirSync(own)).toEqual(['note.txt'])
    expect(readFileSync(path.join(own, 'note.txt'), 'utf8')).toBe('mine')
    rmSync(own, { recursive: true })
  })

  it('shows what the gateway said when it does not start', async () => {
    const run = await ended(demo(['--auto'], { REDIS_URL: 'http://redis.example.com' }))
    expect(marks(run.output)).toBe('✓✓✓✗')
    expect(run.output).toContain('The gateway ended. It said:')
    expect(run.output).toContain('a Redis URL looks like')
    expect(run).toMatchObject({ code: 1, left: [] })
  })

  it.each([[['--nope']], [['--dir']], [['approve']]])('refuses %j as wrong usage', async (args) => {
    const run = await ended(demo(args))
    expect(run.output).toContain('--help shows how')
    expect(run.code).toBe(2)
  })

  it('explains itself', async () => {
    const run = await ended(demo(['--help']))
    expect(run.output).toContain('$ npm run demo -- --auto')
    expect(run.code).toBe(0)
  })
})

describe('the files that the demo writes', () => {
  const env = { FILES_API_KEY: 'key', SLACK_BOT_TOKEN: 'xoxb-1', SLACK_APPROVALS: 'C0123ABCD' }
  const appToken = { ...env, SLACK_APP_TOKEN: 'xapp-1' }
  const signingSecret = { ...env, SLACK_SIGNING_SECRET: 'abc' }
  const otherName = { ...appToken, SLACK_APPROVALS: '', SLACK_APPROVALS_CHANNEL: 'C0123ABCD' }
  const missing: SlackUse = { kind: 'none', missing: ['SLACK_APP_TOKEN'] }

  it.each([
    ['without Slack', env, missing, ['console']],
    ['with Socket Mode', appToken, { kind: 'socket', approvals: 'SLACK_APPROVALS' }, ['slack', 'console']],
    ['with Socket Mode although both are there', { ...appToken, ...signingSecret }, { kind: 'socket' }, ['slack']],
    ['with Slack over HTTP', signingSecret, { kind: 'http', approvals: 'SLACK_APPROVALS' }, ['slack']],
    ['with the channel under its other name', otherName, { approvals: 'SLACK_APPROVALS_CHANNEL' }, ['slack']],
  ] as const)('are right, and give no cause for a warning, %s', (_sentence, from, use, channels) => {
    const slack = slackUseOf(from)
    expect(slack).toMatchObject(use)
    const [issuer, upstream] = ['http://127.0.0.1:4001/oauth2/default', 'http://127.0.0.1:4002/mcp']
    const values = { port: 4000, issuer, upstream, reviewer: 'bob@example.com', keyPrefix: 'demo-1', slack }
    const parsed = parseSettings(settingsText(values), { env: from, file: 'countersign.yaml' })
    if (!parsed.ok) throw new Error(formatProblems(parsed.problems))
    expect(parsed.warnings).toEqual([])
    expect(parsed.settings.channels.slack?.approvals ?? null).toBe(slack.kind === 'none' ? null : 'C0123ABCD')
    const loaded = loadPolicy(policyText({ deadline: '10m', slack }), {
      ...{ file: 'policy.yaml', upstreams: ['files'], groups: ['reviewers'], channels },
    })
    if (!loaded.ok) throw new Error(formatProblems(loaded.problems))
    expect(loaded.warnings).toEqual([])
  })
})
