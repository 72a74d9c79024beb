/** Approved for a quarter of an hour, end to end: what passes without a card then, what does not, and how it ends. */
import { execFile } from 'node:child_process'
import { Command, CommanderError } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer, ShownCard } from '../../demo/console-reviewer.ts'
import { registerGrants } from '../../src/cli/grants.ts'
import type { Gateway, RecordedLine, World } from '../support/gateway.ts'
import { COMMAND, startWorld, UPSTREAM_KEY } from '../support/gateway.ts'
import type { RawAnswer } from '../support/one-call.ts'
import { MINUTE } from '../support/standing-grants.ts'
import { until } from '../support/until.ts'

const POLICY = `
version: 1
defaults: { effect: deny }
rules:
  - id: no-forbidden
    match: { tool: "*" }
    when: 'has(mcp.tool.arguments.path) && mcp.tool.arguments.path.contains("forbidden")'
    effect: deny
    reason: "That directory is off limits."
  - id: writing
    match: { upstream: files, tool: [write_file, create_directory] }
    effect: require_approval
    approval: { deadline: 15m, allow_for: [15m, 1h] }
`

let world: World
let gateway: Gateway
let bob: ConsoleReviewer
let ids = 0

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway({ policy: POLICY })
  bob = await gateway.console()
  await initialize()
})
afterAll(() => world?.close())

/** Of the MCP server; of the version that has batches. */
let session: string | null = null

async function post(body: object): Promise<readonly RawAnswer[]> {
  const response = await fetch(gateway.mcp, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await gateway.token()}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(session === null ? {} : { 'mcp-session-id': session }),
    },
    body: JSON.stringify(body),
  })
  session ??= response.headers.get('mcp-session-id')
  const text = await response.text()
  const messages = [...text.matchAll(/^(?:data: ?)?([{[].*)$/gm)].map(([, data = '']) => JSON.parse(data) as RawAnswer)
  return messages.flat()
}

async function initialize(): Promise<void> {
  session = null
  const params = { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  await post({ jsonrpc: '2.0', id: 'first', method: 'initialize', params })
  await post({ jsonrpc: '2.0', method: 'notifications/initialized' })
}

const pathOf = (name: string) => `${world.files}/${name}`
const callOf = (id: string, tool: string, args: object) => ({
  ...{ jsonrpc: '2.0', id, method: 'tools/call' },
  params: { name: tool, arguments: args },
})
const call = async (tool: string, args: object): Promise<RawAnswer> => {
  const id = `call-${++ids}`
  const answer = (await post(callOf(id, tool, args))).find((message) => message.id === id)
  if (answer === undefined) throw new Error(`no answer to ${id}`)
  return answer
}
const write = (name: string) => call('write_file', { path: pathOf(name), content: 'hello' })
const pending = async () => (await bob.state()).json.pending
const heldCard = (tool: string): Promise<ShownCard> =>
  until(`${tool} is held`, async () => (await pending()).find((card) => card.tool === tool))

/** Held: a person is asked, and says no, so that nothing stays behind. */
async function expectHeld(tool: string, answer: Promise<RawAnswer>): Promise<void> {
  const card = await heldCard(tool)
  expect((await bob.click(card.approvalId, 'deny')).status).toBe(200)
  expect((await answer).result?.isError).toBe(true)
}

interface Run {
  readonly code: number
  readonly out: string
  readonly errors: string
}

/** The command as it stands in `countersign`, without a process for each: starting one takes longer than what it does. */
async function countersign(...args: readonly string[]): Promise<Run> {
  const run = { code: 0, out: '', errors: '' }
  const print = (text: string) => {
    run.out += text
  }
  const program = new Command('countersign').exitOverride().configureOutput({
    writeOut: print,
    writeErr: (text) => {
      run.errors += text
    },
  })
  const setExitCode = (code: 0 | 1) => {
    run.code = code
  }
  registerGrants(program, { env: { UPSTREAM_KEY }, output: { write: print }, setExitCode })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    run.code = error.exitCode === 0 ? 0 : 2
  }
  return run
}

/** The built one, in a process of its own. */
function spawned(...args: readonly string[]): Promise<Run> {
  const env = { ...process.env, REDIS_URL: '', UPSTREAM_KEY }
  const limits = { env, timeout: 45_000, killSignal: 'SIGKILL' } as const
  return new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, ...args], limits, (error, out, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, errors })
    })
  })
}

const atShell = (...args: readonly string[]) => countersign(...args, '--config', gateway.settingsFile)
const json = ({ out }: Run) =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

async function ended(grantId: string): Promise<RecordedLine> {
  return until('the end is recorded', async () => {
    const events = await gateway.events()
    return events.find(({ type, grant_id }) => type === 'grant.ended' && grant_id === grantId)
  })
}

describe('[REQ-GRANT-1] a call that is approved for fifteen minutes', () => {
  let grantId = ''

  it('runs, and is not approved for a time that the rule does not offer', async () => {
    const first = write('a.txt')
    const { approvalId } = await heldCard('write_file')
    const odd = await bob.approveFor(approvalId, 24 * 60 * MINUTE)
    expect([odd.status, odd.body.refusal]).toEqual([403, 'not_offered'])
    expect((await bob.approveFor(approvalId, 15 * MINUTE)).status).toBe(200)
    expect((await first).result?.isError).toBeFalsy()
    grantId = approvalId.replace('apr_', 'stg_')
  })

  it('lets the next calls of that tool pass without a card, and the recording says by whom', async () => {
    const cards = (await bob.state()).json.decided.length
    expect((await write('b.txt')).result?.isError).toBeFalsy()
    expect(await pending()).toEqual([])
    expect((await bob.state()).json.decided).toHaveLength(cards)
    const intent = (await gateway.events()).find((event) => event.type === 'call.intent' && event.grant_id === grantId)
    expect(intent).toMatchObject({
      ...{ effect: 'require_approval', rule: 'writing', tool: 'write_file', approved_by: ['console:bob@example.com'] },
      approval_id: grantId.replace('stg_', 'apr_'),
    })
  })

  it('passes each call of a batch', async () => {
    const batch = ['one', 'two'].map((id) => callOf(id, 'write_file', { path: pathOf(`${id}.txt`), content: 'hello' }))
    const answers = await post(batch)
    expect(answers.map(({ id, result }) => [id, result?.isError ?? false]).sort()).toEqual([
      ['one', false],
      ['two', false],
    ])
    expect(await pending()).toEqual([])
  })

  it('passes no other tool of the same rule', async () => {
    await expectHeld('create_directory', call('create_directory', { path: pathOf('new') }))
  })

  it('passes nothing that a rule denies', async () => {
    const denied = await write('forbidden.txt')
    expect(denied.result?._meta?.['dev.countersign/decision']).toMatchObject({ rule: 'no-forbidden' })
    expect(await pending()).toEqual([])
  })

  it('still does so after the gateway was killed and started again', async () => {
    await gateway.kill()
    await gateway.restart()
    bob = await gateway.console()
    await initialize()
    expect((await write('c.txt')).result?.isError).toBeFalsy()
    expect(await pending()).toEqual([])
  })

  it('[REQ-GRANT-5] is listed in a shell with what passed, and what is held is, too', async () => {
    const [grant, ...others] = json(await atShell('grants', 'list', '--json'))
    expect(others).toEqual([])
    expect(grant).toMatchObject({ id: grantId, state: 'active', tools: ['write_file'], uses: { write_file: 4 } })
    const { code, out } = await atShell('grants', 'list')
    expect(code).toBe(0)
    expect(out).toMatch(/stg_\w+\n {2}write_file on files\n {2}for alice@example\.com by .+, held by rule writing\n/)
    expect(out).toMatch(/ {2}until 20\S+ \S+Z, 1\d m \d+ s left\n {2}approved by bob@example\.com\n/)
    expect(out).toContain('it passed 4 calls: write_file ×4')

    const held = call('create_directory', { path: pathOf('secret-name') })
    await heldCard('create_directory')
    const holds = await atShell('holds', 'list')
    expect(holds.code).toBe(0)
    expect(holds.out).toMatch(
      /apr_\w+\n {2}create_directory on files\n {2}for alice@example\.com, held by rule writing/,
    )
    const listed = await atShell('holds', 'list', '--json')
    expect(json(listed)).toMatchObject([{ tool: 'create_directory', upstream: 'files', rule: 'writing', quorum: 1 }])
    expect(holds.out + listed.out, 'arguments are no matter of a shell').not.toContain('secret-name')
    await expectHeld('create_directory', held)
    expect((await atShell('holds', 'list')).out).toBe('Nothing waits.\n')
  })

  it('[REQ-GRANT-3] [REQ-GRANT-5] is held again once it is revoked in a shell, which is recorded and told', async () => {
    const config = ['--config', gateway.settingsFile]
    const revoked = await spawned('grants', 'revoke', grantId, '--by', 'Carol, on call', ...config)
    expect(revoked).toMatchObject({ code: 0, out: 'Revoked: it passed 4 calls: write_file ×4\n' })
    await expectHeld('write_file', write('d.txt'))
    expect(await ended(grantId)).toMatchObject({
      state: 'revoked',
      by: { id: expect.stringMatching(/^shell:./), email: null, name: 'Carol, on call' },
      uses: { write_file: 4 },
    })
    await until('it is told', async () => (await bob.state()).text.includes('Carol, on call'))
    expect((await atShell('grants', 'list')).out).toBe('No active grants.\n')
  })

  it('[REQ-GRANT-5] is revoked once: a second time, and what is no grant, is an error', async () => {
    const again = await atShell('grants', 'revoke', grantId)
    expect(again).toMatchObject({ code: 1, out: 'It had ended already: revoked.\n' })
    expect((await atShell('grants', 'revoke', 'stg_unknown')).code).toBe(1)
    const odd = await atShell('grants', 'revoke', grantId.replace('stg_', 'gnt_'))
    expect(odd).toMatchObject({ code: 2, errors: expect.stringContaining('is no grant') })
    expect((await countersign('grants', 'list')).code).toBe(2)
    for (const command of [
      ['grants', 'list'],
      ['grants', 'revoke'],
      ['holds', 'list'],
    ]) {
      expect((await countersign(...command, '--help')).out).toContain(`$ countersign ${command.join(' ')}`)
    }
  })
})
