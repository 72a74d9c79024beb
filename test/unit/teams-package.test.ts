/** `countersign teams package`: what it writes, and what it says where it can't. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command, CommanderError } from 'commander'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registerTeams } from '../../src/cli/teams.ts'

const APP = '0a0a0a0a-0000-4000-8000-00000000000a'
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'countersign-package-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function run(teams: string, args: readonly string[] = [], publicUrl = 'https://gw.example.com:8443/') {
  const config = path.join(folder, 'countersign.yaml')
  await writeFile(
    config,
    `gateway: { listen: "127.0.0.1:8080", publicUrl: "${publicUrl}" }
identity: { issuers: [{ issuer: "https://example.okta.com/oauth2/default" }] }
upstreams: { files: { url: "http://127.0.0.1:3001/mcp" } }
policy: ./policy.yaml
${teams}`,
  )
  let printed = ''
  const output = { write: (text: string) => (printed += text) }
  const program = new Command('countersign').exitOverride().configureOutput({
    writeOut: (text) => void output.write(text),
    writeErr: (text) => void output.write(text),
  })
  registerTeams(program, { env: {}, output })
  const out = path.join(folder, 'app.zip')
  const whole = ['node', 'countersign', 'teams', 'package', '--config', config, '--out', out, ...args]
  const error = await program.parseAsync(whole).then(
    () => null,
    (fault: unknown) => fault,
  )
  return { printed, error, out }
}

const TEAMS = (more = '') =>
  `channels: { teams: { appId: ${APP.toUpperCase()}, tenantId: 0b0b0b0b-0000-4000-8000-00000000000b, appPassword: hush, approvals: "19:a@thread.tacv2"${more} } }`

describe('[REQ-PACKAGE-1] countersign teams package', () => {
  it('writes the manifest with the ids of the settings, and the icons, the same bytes each time', async () => {
    const { out, printed, error } = await run(TEAMS())
    expect(error).toBeNull()
    expect(printed).toMatch(/Wrote .*app\.zip, version .* of app 0a0a0a0a-.*\nUpload it: Teams admin center/)
    const first = await readFile(out)
    const files = unzipSync(first)
    expect(Object.keys(files).sort()).toEqual(['color.png', 'manifest.json', 'outline.png'])
    const text = Buffer.from(files['manifest.json'] ?? []).toString('utf8')
    expect(JSON.parse(text)).toMatchObject({ id: APP, bots: [{ botId: APP }], validDomains: ['gw.example.com'] })
    expect(text).not.toMatch(/\{\{|hush|authorization/)
    expect(Buffer.from(files['color.png'] ?? []).equals(await readFile('manifests/teams/color.png'))).toBe(true)
    await run(TEAMS())
    expect((await readFile(out)).equals(first)).toBe(true)
  })

  it('asks for permissions where the settings use Graph, and takes another version', async () => {
    const { out, printed } = await run(TEAMS(', graph: true'), ['--app-version', '1.0.7', '--json'])
    expect(JSON.parse(printed)).toEqual({ file: out, appId: APP, version: '1.0.7', graph: true })
    const text = Buffer.from(unzipSync(await readFile(out))['manifest.json'] ?? []).toString('utf8')
    expect(JSON.parse(text)).toMatchObject({ version: '1.0.7', webApplicationInfo: { id: APP } })
    expect(text).toContain('ChannelMessage.Read.Group')
  })

  it.each<[string, Parameters<typeof run>, RegExp]>([
    ['without Teams in the settings', [''], /channels\.teams is missing\. Write it first/],
    ['without https', [TEAMS(), [], 'http://127.0.0.1:8080'], /publicUrl is not https.*put TLS in front/],
    ['into a folder that is not there', [TEAMS(), ['--out', '/nowhere/at/all.zip']], /cannot be written \(ENOENT\)/],
  ])('says what to do %s', async (_sentence, args, told) => {
    expect(String((await run(...args)).error)).toMatch(told)
  })

  it('refuses a version that Teams would', async () => {
    const { error, printed } = await run(TEAMS(), ['--app-version', 'next'])
    expect(error).toBeInstanceOf(CommanderError)
    expect((error as CommanderError).exitCode).toBe(2)
    expect(printed).toMatch(/--app-version is three numbers, like 1\.0\.1/)
  })

  it('has help with an example', async () => {
    const { printed } = await run(TEAMS(), ['--help'])
    expect(printed).toMatch(/\$ countersign teams package --config countersign\.yaml/)
  })
})
