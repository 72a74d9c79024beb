/** `countersign doctor` in front of a set-up that is right, and of each thing that can be wrong with it. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../demo/processes.ts'
import { startFakeSlack } from '../support/fake-slack.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { POLICY, startWorld, UPSTREAM_KEY } from '../support/gateway.ts'
import { commandUpstream, filesystemArgv } from '../support/stdio-upstreams.ts'

const COMMAND = fileURLToPath(new URL('../../dist/src/cli/countersign.js', import.meta.url))

let world: World
let gateway: Gateway
let right: string

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway()
  right = readFileSync(gateway.settingsFile, 'utf8')
})
afterAll(() => world?.close())

interface Line {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  readonly cure: string | null
}

function doctor(settings: string, args: readonly string[] = []): Promise<{ code: number; out: string }> {
  const file = path.join(gateway.directory, 'doctor.yaml')
  writeFileSync(file, settings)
  const env = { ...process.env, REDIS_URL: '', UPSTREAM_KEY }
  return new Promise((resolve) => {
    const limits = { timeout: 45_000, killSignal: 'SIGKILL' } as const
    execFile(process.execPath, [COMMAND, 'doctor', '--config', file, ...args], { env, ...limits }, (error, out) => {
      resolve({ code: error === null ? 0 : Number(error.code), out })
    })
  })
}

async function checks(settings: string): Promise<{ code: number; lines: readonly Line[] }> {
  const { code, out } = await doctor(settings, ['--json'])
  const lines = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
  return { code, lines }
}

describe('where reviewers sign in', () => {
  const signIn = () =>
    right.replace('      allowInsecureLoopbackIssuer: true\n', (line) => `${line}      signIn: { clientId: c }\n`)
  const lineOf = async () => (await checks(signIn())).lines.find(({ check }) => check.startsWith('signing in at '))

  it('says which redirect URI the issuer must allow', async () => {
    expect(await lineOf()).toMatchObject({
      ok: true,
      detail: expect.stringContaining(`${gateway.url}/step-up/callback`),
    })
  })

  it('finds that nobody can sign in there', async () => {
    const { issuer } = world.issuer
    const body = JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks`, token_endpoint: `${issuer}/token` })
    world.issuer.answer('/.well-known/openid-configuration', { status: 200, body })
    const line = await lineOf()
    world.issuer.answer('/.well-known/openid-configuration', null)
    expect(line).toMatchObject({ ok: false, cure: expect.stringContaining('OpenID Connect provider') })
  })
})

describe('a set-up that is right', () => {
  it('[REQ-DOCTOR-1] passes all but what a Redis for tests leaves out, a line each', async () => {
    const { lines } = await checks(right)
    const names = lines.map(({ check }) => check)
    for (const part of ['settings', 'policy', 'redis', 'issuer', 'upstream files', 'recordings']) {
      expect(
        names.some((name) => name.startsWith(part)),
        part,
      ).toBe(true)
    }
    expect(lines.filter(({ ok, check }) => !ok && !check.startsWith('redis') && check !== 'recordings')).toEqual([])
    expect(lines.every(({ ok, cure }) => ok === (cure === null))).toBe(true)
  })

  it('makes no directory: the gateway makes its own, for its user alone', async () => {
    const { lines } = await checks(right.replace(/recordings: \{.*\}/, 'recordings: { directory: ./of/tomorrow }'))
    expect(lines.find(({ check }) => check === 'recordings')?.detail).toContain('tomorrow')
    expect(existsSync(path.join(gateway.directory, 'of'))).toBe(false)
  })

  it('says so to people without colours where nobody looks, and never a secret', async () => {
    const { out } = await doctor(right)
    expect(out).toMatch(/^ok {4} settings: /m)
    expect(out).toMatch(/^ok {4} upstream files: \d+ tools$/m)
    expect(out).not.toContain('\u001b')
    expect(out).not.toContain(UPSTREAM_KEY)
  })
})

it('[REQ-DOCTOR-1] starts an upstream that is a command, counts its tools, and leaves no process behind', async () => {
  const disk = `upstreams:\n${commandUpstream('disk', filesystemArgv(world.files)).replace(/, credential: .*\} \}/, ' }')}`
  const { lines } = await checks(right.replace(/^upstreams:$/m, disk))
  expect(lines.find(({ check }) => check === 'upstream disk')?.detail).toMatch(/^\d+ tools$/)
  const running = readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && commandLineOf(pid).endsWith(`${world.files}\0`),
  )
  // The one that world.files is served by over HTTP.
  expect(running.filter((pid) => !commandLineOf(pid).includes('mcp-proxy'))).toHaveLength(1)
})

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

it('[REQ-DOCTOR-2] asks Slack about each channel that settings and policy name, and ends with 1 for one', async () => {
  const slack = await startFakeSlack({
    channelMembers: { C0OPS: { members: [], name: 'ops', isPrivate: true, isAppIn: false } },
  })
  const secret = `signingSecret: "${slack.signingSecret}"`
  const own = `botToken: "${slack.botToken}", ${secret}, apiUrl: "${slack.apiUrl}", approvals: C0APPROVALS`
  const spoilt = right
    .replace(/^channels: .*$/m, `channels: { slack: { ${own} } }`)
    .replace('./policy.yaml', './rooms.yaml')
    .replace(/listen: .*/, '$&\n  publicUrl: "https://gateway.example.com"')
  const policy = POLICY.replace('approval: { deadline: 15m }', 'approval: { deadline: 15m, channel: "slack:C0OPS" }')
  writeFileSync(path.join(gateway.directory, 'rooms.yaml'), policy)
  try {
    const { code, lines } = await checks(spoilt)
    expect(code).toBe(1)
    const told = lines.filter(({ check }) => check === 'slack')
    expect(told.map(({ detail }) => detail)).toContain(
      'the app is in #c0approvals (C0APPROVALS), for cards and summaries',
    )
    expect(told.filter(({ ok }) => !ok)).toEqual([
      {
        ...{ check: 'slack', ok: false, detail: 'Slack shows the app no channel C0OPS, for cards' },
        cure: expect.stringMatching(/in the policy file.*\/invite @Countersign/),
      },
    ])
    expect(JSON.stringify(lines)).not.toMatch(new RegExp(`${slack.botToken}|${slack.signingSecret}`))
  } finally {
    await slack.close()
  }
})

describe('what is wrong is named, with its cure, and ends with 1', () => {
  it.each<[string, (settings: string, port: number) => string, string, RegExp]>([
    ['a key that nobody knows', (text) => `${text}\nrecording: {}\n`, 'settings', /recordings/],
    ['a policy that is not there', (text) => text.replace('./policy.yaml', './none.yaml'), 'policy', /does not exist/],
    [
      'a Redis that is not there',
      (text, port) => text.replace(/redis:\/\/[^"]+/, `redis://127.0.0.1:${port}`),
      'redis',
      /cannot be reached/,
    ],
    [
      'an issuer that is not there',
      (text) => text.replace(/(issuer: "http:\/\/127\.0\.0\.1):\d+/, '$1:9'),
      'issuer',
      /./,
    ],
    [
      'an upstream that is not there',
      (text, port) => text.replace(/url: http:\/\/127\.0\.0\.1:\d+/, `url: http://127.0.0.1:${port}`),
      'upstream files',
      /./,
    ],
    [
      'an upstream that refuses the credential',
      (text) => text.replace(/secret: "[^"]+"/, 'secret: another'),
      'upstream files',
      /./,
    ],
    [
      'an upstream whose command does not run',
      (text) => text.replace(/^upstreams:$/m, 'upstreams:\n  disk: { command: [/no/such/program] }'),
      'upstream disk',
      /could not be started \(ENOENT\)/,
    ],
    [
      'a directory that can’t be written',
      (text) => text.replace(/recordings: \{.*\}/, 'recordings: { directory: ./doctor.yaml/inside-a-file }'),
      'recordings',
      /cannot be written/,
    ],
  ])('[REQ-DOCTOR-1] %s', async (_sentence, spoil, check, detail) => {
    const settings = spoil(right, await freePort())
    expect(settings).not.toBe(right)
    const { code, lines } = await checks(settings)
    expect(code).toBe(1)
    const found = lines.find((line) => !line.ok && line.check.startsWith(check))
    expect(found?.detail).toMatch(detail)
    expect(found?.cure).not.toBe('')
    expect(JSON.stringify(lines)).not.toContain(UPSTREAM_KEY)
  })
})
