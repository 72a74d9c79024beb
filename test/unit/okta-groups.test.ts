/** Groups of Okta: by the fake that enforces its documentation, and by an Okta that nobody here wrote. */
import { createEmulator } from 'emulate'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../../demo/processes.ts'
import { createOktaGroups } from '../../proxy/directory/okta.ts'
import { epochMs } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { LookUpLimits } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { type FakeOkta, type FakeOktaGroup, startFakeOkta } from '../support/fake-okta.ts'

const reviewer = (email: string | null): Reviewer => ({ id: 'slack:T1:U1', email, name: 'x' })
const BOB = reviewer('bob@example.com')
const NOW: LookUpLimits = { maxAgeMs: 0, patienceMs: 5_000 }
const LATELY: LookUpLimits = { maxAgeMs: 30_000, patienceMs: 5_000 }

const DBA_ID = '00gdba00000000000000'
const DBA: FakeOktaGroup = {
  id: DBA_ID,
  name: 'DBA',
  users: [
    { login: 'Bob@example.com' },
    { login: 'carol', email: 'Carol@example.com' },
    { login: 'dave@example.com', status: 'SUSPENDED' },
    { login: 'erin@example.com', status: 'DEPROVISIONED' },
    { login: 'frank@example.com', status: 'PROVISIONED' },
    { login: 'grace@example.com', status: 'LOCKED_OUT' },
  ],
}
const OTHERS: FakeOktaGroup[] = [
  { id: '00gother000000000000', name: 'DBA on call', users: [{ login: 'eve@example.com' }] },
  { id: '00glower000000000000', name: 'dba', users: [{ login: 'eve@example.com' }] },
]

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function rig(
  options: Parameters<typeof startFakeOkta>[0] & { given?: { token?: string; scheme?: 'Bearer' } } = {},
) {
  const okta: FakeOkta = await startFakeOkta({ groups: [...OTHERS, DBA], ...options })
  open.push(okta)
  const time = { aheadMs: 0 }
  const lines: string[] = []
  const log = (message: string, fields?: unknown) => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`)
  const groups = createOktaGroups(
    { url: okta.url, token: new Secret(options.given?.token ?? okta.token), scheme: options.given?.scheme ?? 'SSWS' },
    { clock: { now: () => epochMs(Date.now() + time.aheadMs) }, log: { info: log, warn: log, error: log } },
  )
  return { okta, groups, time, lines }
}

describe('a group of Okta', () => {
  it.each<[string, Reviewer, string, boolean]>([
    ['[REQ-WHO-1] has whom it lists, by login', BOB, 'okta:DBA', true],
    ['has whom it lists, by e-mail', reviewer('carol@example.com'), 'okta:DBA', true],
    ['has whom it lists, in other letters', reviewer('BOB@example.com'), 'okta:DBA', true],
    ['has whom it lists, named by its id', BOB, `okta:${DBA_ID}`, true],
    ['has nobody who is suspended', reviewer('dave@example.com'), 'okta:DBA', false],
    ['has nobody who is deactivated', reviewer('erin@example.com'), 'okta:DBA', false],
    ['has nobody who has yet to accept', reviewer('frank@example.com'), 'okta:DBA', false],
    ['has nobody who is locked out', reviewer('grace@example.com'), 'okta:DBA', false],
    ['has nobody of a group whose name only begins alike', reviewer('eve@example.com'), 'okta:DBA', false],
    ['has nobody else', reviewer('mallory@example.com'), 'okta:DBA', false],
    ['has nobody without an e-mail', reviewer(null), 'okta:DBA', false],
  ])('%s', async (_sentence, who, member, expected) => {
    const { groups } = await rig()
    expect(await groups.isMember(who, member, NOW)).toBe(expected)
  })

  it('knows members of its own kind alone', async () => {
    const { groups } = await rig()
    expect(['okta:DBA', 'idp:DBA', 'slack:usergroup:S1'].map((member) => groups.knows(member))).toEqual([
      true,
      false,
      false,
    ])
  })

  it('that is large is read to its last page', async () => {
    const users = Array.from({ length: 450 }, (_, at) => ({ login: `user${at}@example.com` }))
    const { groups, okta } = await rig({ groups: [{ ...DBA, users: [...users, { login: 'bob@example.com' }] }] })
    expect(await groups.isMember(BOB, 'okta:DBA', NOW)).toBe(true)
    expect(okta.calls.filter(({ path }) => path.includes('/users'))).toHaveLength(3)
  })

  it('that has everybody in it can’t be told, instead of being read without end', async () => {
    const users = Array.from({ length: 10_300 }, (_, at) => ({ login: `user${at}@example.com` }))
    const { groups } = await rig({ groups: [{ ...DBA, users }] })
    const patient = { maxAgeMs: 0, patienceMs: 30_000 }
    await expect(groups.isMember(BOB, 'okta:DBA', patient)).rejects.toMatchObject({ code: 'too_many_members' })
  })

  it('is asked about anew where it must be new, and else once in a while', async () => {
    const { okta, groups } = await rig()
    expect(await groups.isMember(BOB, 'okta:DBA', LATELY)).toBe(true)
    okta.setGroup({ ...DBA, users: [] })
    expect(await groups.isMember(BOB, 'okta:DBA', LATELY)).toBe(true)
    expect(await groups.isMember(BOB, 'okta:DBA', NOW)).toBe(false)
  })

  it('whose name another one has too is nobody’s: whoever may import groups could make reviewers', async () => {
    const twin: FakeOktaGroup = {
      id: '00gtwin0000000000000',
      name: 'DBA',
      type: 'APP_GROUP',
      users: [{ login: 'eve@example.com' }],
    }
    const { groups } = await rig({ groups: [DBA, twin] })
    await expect(groups.isMember(BOB, 'okta:DBA', NOW)).rejects.toMatchObject({ code: 'group_ambiguous' })
    expect(await groups.isMember(BOB, `okta:${DBA_ID}`, NOW)).toBe(true)
    expect(await groups.examine('okta:DBA')).toMatchObject({ ok: false, cure: expect.stringContaining('okta:00g') })
  })

  it.each<[string, Parameters<typeof rig>[0], string, string]>([
    ['does not exist', {}, 'okta:Nobody', 'group_not_found'],
    ['does not exist by its id', {}, 'okta:00gnone0000000000000', 'group_not_found'],
    ['a wrong token asks for', { given: { token: 'other' } }, 'okta:DBA', 'unauthorized'],
    ['a token of the other scheme asks for', { given: { scheme: 'Bearer' } }, 'okta:DBA', 'unauthorized'],
  ])('that %s can’t be told, and the doctor knows the cure', async (_sentence, options, member, code) => {
    const { groups, lines, okta } = await rig(options)
    await expect(groups.isMember(BOB, member, NOW)).rejects.toMatchObject({ code })
    expect(lines.join()).toContain(code)
    expect(lines.join()).not.toContain(okta.token)
    expect(await groups.examine(member)).toMatchObject({ ok: false, detail: `cannot be looked up: ${code}` })
  })

  it('is asked for with OAuth’s scheme where the settings say so', async () => {
    const { groups } = await rig({ scheme: 'Bearer', given: { scheme: 'Bearer' } })
    expect(await groups.isMember(BOB, 'okta:DBA', NOW)).toBe(true)
  })

  it('is not asked for again before Okta’s limit is over', async () => {
    const { groups, okta, time } = await rig({ perMinute: 2 })
    expect(await groups.isMember(BOB, 'okta:DBA', NOW)).toBe(true)
    await expect(groups.isMember(BOB, 'okta:DBA', NOW)).rejects.toMatchObject({ code: 'rate_limited' })
    const asked = okta.calls.length
    await expect(groups.isMember(BOB, 'okta:DBA', NOW)).rejects.toMatchObject({ code: 'rate_limited' })
    expect(okta.calls.length).toBe(asked)
    time.aheadMs += 62_000
    await expect(groups.isMember(BOB, 'okta:DBA', NOW)).rejects.toMatchObject({ code: 'rate_limited' })
    expect(okta.calls.length).toBe(asked + 1)
  })

  it('says of itself how many active people are in it', async () => {
    const { groups } = await rig()
    expect(await groups.examine('okta:DBA')).toEqual({ ok: true, detail: '2 active people', cure: null })
  })

  it.each<[string, string, Parameters<FakeOkta['answerNext']>[0]]>([
    ['an error', 'unreachable', (_request, response) => void response.writeHead(500).end()],
    ['no right to read groups', 'forbidden', (_request, response) => void response.writeHead(403).end()],
    [
      'a redirect, which could take the token elsewhere',
      'unreachable',
      (_request, response) => void response.writeHead(302, { location: '/' }).end(),
    ],
    ['something that is no JSON', 'bad_answer', (_request, response) => void response.end('<html>')],
    ['something that is no list of groups', 'bad_answer', (_request, response) => void response.end('{"groups":[]}')],
    [
      'a compressed answer',
      'bad_answer',
      (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    ],
    [
      'more than a page can be',
      'bad_answer',
      (_request, response) => void response.end(`"${'x'.repeat(5 * 1024 * 1024)}"`),
    ],
    [
      'an answer that breaks off',
      'unreachable',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('[')
        setImmediate(() => response.destroy())
      },
    ],
  ])('can’t be told from %s', async (_sentence, code, how) => {
    const { groups, okta } = await rig()
    okta.answerNext(how)
    await expect(groups.isMember(BOB, 'okta:DBA', NOW)).rejects.toMatchObject({ code })
    expect(await groups.isMember(BOB, 'okta:DBA', NOW)).toBe(true)
  })

  it.each<[string, string]>([
    ['of another list', '</api/v1/users?after=x>; rel="next"'],
    ['that is the same one', `</api/v1/groups/${DBA_ID}/users?limit=200>; rel="next"`],
  ])('can’t be told from a next page %s', async (_sentence, link) => {
    const { groups, okta } = await rig()
    okta.answerNext((_request, response) => void response.setHeader('link', link).end('[]'))
    await expect(groups.isMember(BOB, `okta:${DBA_ID}`, NOW)).rejects.toMatchObject({ code: 'bad_answer' })
  })

  it('sends the token to no other host, whatever the next page’s address says', async () => {
    const { groups, okta } = await rig()
    const other = await startFakeOkta({ groups: [{ ...DBA, users: [{ login: 'eve@example.com' }] }] })
    open.push(other)
    const link = `<${other.url}/api/v1/groups/${DBA_ID}/users?limit=200&after=Ym9i>; rel="next"`
    okta.answerNext((_request, response) => void response.setHeader('link', link).end('[]'))
    await expect(groups.isMember(reviewer('eve@example.com'), `okta:${DBA_ID}`, NOW)).rejects.toThrow()
    expect(other.calls).toEqual([])
  })

  it('can’t be told where nothing answers', async () => {
    const { groups, okta } = await rig()
    await okta.close()
    open.length = 0
    await expect(groups.isMember(BOB, 'okta:DBA', NOW)).rejects.toMatchObject({ code: 'unreachable' })
  })
})

describe('an Okta that nobody here wrote', () => {
  it('says who is in a group, and who is no longer', async () => {
    const port = await freePort()
    const token = '00emulated-token'
    const emulator = await createEmulator({
      service: 'okta',
      port,
      seed: {
        tokens: { [token]: { login: 'admin@example.com', scopes: ['okta.groups.read', 'okta.groups.manage'] } },
        okta: {
          users: [
            { login: 'bob@example.com', email: 'bob@example.com', first_name: 'Bob', last_name: 'B' },
            { login: 'eve@example.com', email: 'eve@example.com', first_name: 'Eve', last_name: 'E' },
          ],
          groups: [
            { name: 'DBA', okta_id: DBA_ID, description: 'Databases' },
            { name: 'DBA on call', okta_id: '00gother000000000000' },
          ],
        },
      },
    })
    open.push(emulator)
    const manage = async (method: 'PUT' | 'DELETE') => {
      const address = `${emulator.url}/api/v1/groups/${DBA_ID}/users/bob@example.com`
      expect((await fetch(address, { method, headers: { authorization: `SSWS ${token}` } })).status).toBe(204)
    }
    await manage('PUT')
    const groups = createOktaGroups(
      { url: emulator.url, token: new Secret(token), scheme: 'SSWS' },
      { clock: { now: () => epochMs(Date.now()) }, log: { info() {}, warn() {}, error() {} } },
    )
    expect(await groups.isMember(BOB, 'okta:DBA', NOW)).toBe(true)
    expect(await groups.isMember(reviewer('eve@example.com'), 'okta:DBA', NOW)).toBe(false)
    await manage('DELETE')
    expect(await groups.isMember(BOB, 'okta:DBA', NOW)).toBe(false)
  })
})
