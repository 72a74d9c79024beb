/** `countersign serve` on files that are wrong: it says everything that is, and does not start. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'

const COMMAND = fileURLToPath(new URL('../../dist/src/cli/countersign.js', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'refused-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function serve(settings: string, policy = ''): Promise<{ code: number; out: string; err: string }> {
  writeFileSync(join(folder, 'countersign.yaml'), settings)
  writeFileSync(join(folder, 'policy.yaml'), policy)
  const args = [COMMAND, 'serve', '--config', join(folder, 'countersign.yaml')]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 45_000, killSignal: 'SIGKILL' }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

const SETTINGS = `
gateway: { listen: 127.0.0.1:0, publicUrl: http://127.0.0.1:8080 }
identity: { issuers: [{ issuer: https://example.okta.com/oauth2/default }] }
upstreams: { files: { url: http://127.0.0.1:3001/mcp } }
policy: ./policy.yaml
`

it('[REQ-POLICY-4] wrong settings: every problem at once, with its line, its path and its cure, and no start', async () => {
  const settings = `${SETTINGS.replace('http://127.0.0.1:3001/mcp', 'ftp://files.example')}
recording: { directory: ./here }
sessions: { idle: 15 }
`
  const { code, out, err } = await serve(settings)
  expect(code).toBe(1)
  expect(out).toBe('')
  expect(err).toMatch(/3 problems in .*countersign\.yaml/)
  expect(err).toMatch(/countersign\.yaml:4 upstreams\.files\.url: is not an http or https URL\n +Write it like/)
  expect(err).toMatch(/countersign\.yaml:7 recording: unknown key\n +Did you mean recordings\?/)
  expect(err).toMatch(/countersign\.yaml:8 sessions\.idle: not a duration\n +Write one like/)
})

it('[REQ-POLICY-4] a wrong policy: the same, down to its own failing test', async () => {
  const wrong = `
version: 1
rules:
  - { id: writes, match: { upstream: fies }, effect: requires_approval }
  - { id: reads, when: "mcp.tool.nme ==", effect: allow }
`
  const broken = await serve(SETTINGS, wrong)
  expect(broken.code).toBe(1)
  expect(broken.err).toMatch(/policy\.yaml:4 rules\[0\]\.effect: .*\n +Choose one of allow, deny, require_approval/)

  const failing = `
version: 1
rules: [{ id: reads, match: { tool: "read_*" }, effect: allow }]
tests: [{ name: reading asks, call: { upstream: files, tool: read_file }, expect: { effect: require_approval } }]
`
  const untrue = await serve(SETTINGS, failing)
  expect(untrue.code).toBe(1)
  expect(untrue.err).toMatch(/policy\.yaml:4 tests\[0\]/)
  expect(untrue.out).toBe('')
})

it('an address that is taken: says so and ends, although Redis is being waited for', async () => {
  const holder = net.createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as net.AddressInfo
  const taken = SETTINGS.replace('127.0.0.1:0', `127.0.0.1:${port}`).concat('redis: { url: redis://127.0.0.1:1/0 }\n')
  const { code, err } = await serve(taken, 'version: 1\nrules: []\n')
  holder.close()
  expect(code).toBe(1)
  expect(err).toMatch(/The gateway cannot listen \(EADDRINUSE\).*gateway\.listen/)
  expect(err).not.toContain(' at ')
})

it('a Redis URL that cannot be one: a sentence, without the password in it', async () => {
  const policy = 'version: 1\nrules: [{ id: reads, match: { tool: "read_*" }, effect: allow }]\n'
  const { code, err } = await serve(`${SETTINGS}redis: { url: "redis://:hunter2%zz@cache/main" }\n`, policy)
  expect(code).toBe(1)
  expect(err).toMatch(/^redis\.url, or REDIS_URL: a Redis URL looks like .*\.$/m)
  expect(err).not.toContain('hunter2')
  expect(err).not.toContain('    at ')
})
