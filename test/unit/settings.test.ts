// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the settings' own variables
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from '../../src/config/duration.ts'
import { formatProblems, nearest } from '../../src/config/problems.ts'
import { parseSettings, type Settings } from '../../src/config/settings.ts'

type Env = Record<string, string | undefined>

const SMALLEST = {
  identity: 'identity: { issuers: [{ issuer: https://example.okta.com/oauth2/default }] }',
  upstreams: 'upstreams: { files: { url: http://127.0.0.1:3001/mcp } }',
  policy: 'policy: ./policy.yaml',
}

const SLACK = 'channels: { slack: { botToken: xoxb-1, signingSecret: s, approvals: C1 } }'

const withWorkspaces = (workspaces: string) =>
  `channels: { slack: { botToken: xoxb-1, signingSecret: s, approvals: C1, workspaces: { ${workspaces} } } }`

/** The smallest file, with some of its top-level keys replaced or added. */
function file(change: Record<string, string> = {}): string {
  return Object.values({ ...SMALLEST, ...change }).join('\n')
}

const parse = (text: string, env: Env = {}) => parseSettings(text, { env, file: 'countersign.yaml' })

function settings(text: string, env: Env = {}): Settings {
  const parsed = parse(text, env)
  if (!parsed.ok) throw new Error(formatProblems(parsed.problems))
  return parsed.settings
}

function problems(text: string, env: Env = {}): string[] {
  const parsed = parse(text, env)
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`)
}

describe('the smallest settings', () => {
  it('have a default for everything else', () => {
    expect(settings(file())).toEqual({
      gateway: {
        listen: { host: '127.0.0.1', port: 8080 },
        publicUrl: 'http://127.0.0.1:8080',
        maxBodyBytes: 4_194_304,
        allowedOrigins: [],
      },
      redis: { url: null, keyPrefix: 'countersign' },
      identity: {
        issuers: [
          { issuer: 'https://example.okta.com/oauth2/default', claims: {}, allowInsecureLoopbackIssuer: false },
        ],
        scopes: [],
        signIns: [],
      },
      upstreams: expect.any(Map),
      policy: './policy.yaml',
      people: { groups: expect.any(Map), okta: null, passkeys: 'off', operators: null },
      channels: { slack: null, teams: null, console: { enabled: true, reviewer: null } },
      recordings: {
        directory: './recordings',
        sync: 'group',
        maxSegmentBytes: 67_108_864,
        digest: { day: 0, minute: 540, zone: 'UTC' },
      },
      holds: { defaultBudgetMs: 45_000, budgets: new Map(), maxPerAgent: 50 },
      sessions: { idleMs: 900_000 },
      shutdown: { drainMs: 10_000 },
    })
    expect([...settings(file()).upstreams.values()]).toEqual([
      { kind: 'http', name: 'files', url: 'http://127.0.0.1:3001/mcp', credential: null },
    ])
  })

  it('cannot be changed any more', () => {
    const read = settings(file({ people: 'people: { groups: { dba: [a@example.com] } }' }))
    expect(() => Object.assign(read.gateway, { publicUrl: 'x' })).toThrow(TypeError)
    expect(() => (read.identity.issuers as unknown[]).push({})).toThrow(TypeError)
    expect(() => (read.upstreams as Map<string, unknown>).set('x', {})).toThrow(TypeError)
    expect(() => (read.people.groups as Map<string, unknown>).clear()).toThrow(TypeError)
    expect(() => Object.assign(read.upstreams.get('files') as object, { url: 'x' })).toThrow(TypeError)
  })
})

describe('groups elsewhere', () => {
  const okta = 'okta: { url: https://example.okta.com, token: 00secret }'

  it('are kept as they are written, each once', () => {
    const elsewhere = [
      'slack:usergroup:S012AB',
      'slack:channel:C0123',
      'slack:channel:G0123',
      'okta:DBA on call',
      'idp:/realm/dba',
      'idp:https://example.okta.com/oauth2/default|dba',
    ]
    const members = [...elsewhere, 'okta:DBA on call', 'Alice@example.com'].map((member) => JSON.stringify(member))
    const read = settings(file({ x: `${SLACK}\npeople: { groups: { dba: [${members.join(', ')}] }, ${okta} }` }))
    expect(read.people.groups.get('dba')).toEqual({
      emails: new Set(['alice@example.com']),
      reviewerIds: new Set(),
      lookedUp: elsewhere,
    })
  })

  it('in Okta have its address and its token, which nothing prints', () => {
    const read = settings(file({ x: `people: { ${okta} }` }))
    expect(read.people.okta).toMatchObject({ url: 'https://example.okta.com', scheme: 'SSWS' })
    expect(read.people.okta?.token.reveal()).toBe('00secret')
    expect(inspect(read, { depth: null })).not.toContain('00secret')
  })

  it('in no Okta where its variables are empty', () => {
    expect(settings(file({ x: 'people: { okta: { url: "${A:-}", token: "${B:-}" } }' })).people.okta).toBeNull()
  })
})

describe('Microsoft Teams', () => {
  const [APP, TENANT, PERSON] = ['a', 'b', 'c'].map((digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`)
  const ROOM = '19:abc@thread.tacv2'
  const teams = (more = '', password = 'appPassword: p, ') =>
    `channels: { teams: { appId: ${APP?.toUpperCase()}, tenantId: ${TENANT}, ${password}approvals: "${ROOM}"${more} } }`
  const group = (member: string) => `people: { groups: { a: ["${member}"] } }`

  it('has a default for all but the app, its secret and where to ask', () => {
    expect(settings(file({ x: teams() })).channels.teams).toEqual({
      ...{ appId: APP, tenantId: TENANT, appType: 'SingleTenant', appPassword: expect.anything() },
      ...{ approvals: ROOM, summaries: ROOM, library: 'botbuilder', email: 'mail', graph: false, endpoints: null },
    })
    expect(settings(file({ x: 'channels: { teams: { appId: "${A:-}", approvals: "${B:-}" } }' })).channels.teams).toBe(
      null,
    )
  })

  it('may be another cloud’s, and a managed identity’s', () => {
    const government =
      ', appType: UserAssignedMSI, endpoints: { login: https://login.microsoftonline.us/, openIdMetadata: https://login.botframework.azure.us/v1/.well-known/openidconfiguration, issuer: https://api.botframework.us, scope: https://api.botframework.us/.default, graph: https://graph.microsoft.us, connectors: [https://smba.infra.gov.teams.microsoft.us] }'
    expect(settings(file({ x: teams(government, '') })).channels.teams).toMatchObject({
      appPassword: null,
      endpoints: { login: 'https://login.microsoftonline.us', graph: 'https://graph.microsoft.us' },
    })
  })

  it('names people and groups', () => {
    const members = [`teams:user:${PERSON}`, `teams:team:${ROOM}`, `entra:group:${PERSON}`]
    const read = settings(
      file({ x: `${teams(', graph: "true"')}\npeople: { groups: { a: ${JSON.stringify(members)} } }` }),
    )
    expect(read.people.groups.get('a')).toMatchObject({
      reviewerIds: new Set([`teams:${TENANT}:${PERSON}`]),
      lookedUp: members.slice(1),
    })
  })

  const ELSEWHERE =
    'login: https://login.example, openIdMetadata: https://login.example/keys, issuer: https://i.example, scope: x'
  it.each<[string, string, string]>([
    [
      'an app that is no GUID',
      teams().replace(String(APP?.toUpperCase()), 'x'),
      'channels.teams.appId: is not an id of Entra',
    ],
    [
      'a tenant that is no GUID',
      teams().replace(String(TENANT), 'x'),
      'channels.teams.tenantId: is not an id of Entra',
    ],
    ['a conversation’s name', teams().replace(ROOM, 'General'), 'channels.teams.approvals: is not a conversation’s id'],
    ['no secret', teams('', ''), 'channels.teams.appPassword: is missing'],
    [
      'a secret of a managed identity',
      teams(', appType: UserAssignedMSI'),
      'channels.teams.appPassword: is not used with a managed identity',
    ],
    ['an unknown library', teams(', library: x'), 'channels.teams.library: must be one of botbuilder, agents-hosting'],
    ['an unknown address', teams(', email: upn'), 'channels.teams.email: must be one of mail, userPrincipalName'],
    [
      'an address of the connector with a path, which nothing would ever come from',
      teams(`, endpoints: { ${ELSEWHERE}, graph: https://graph.example, connectors: [https://smba.example/emea/] }`),
      'channels.teams.endpoints.connectors[0]: is more than an origin',
    ],
    [
      'an address of Graph with its version',
      teams(`, endpoints: { ${ELSEWHERE}, graph: https://graph.example/v1.0, connectors: [https://smba.example/] }`),
      'channels.teams.endpoints.graph: is more than an origin',
    ],
    ['graph that is neither', teams(', graph: yes please'), 'channels.teams.graph: must be true or false'],
    [
      'a group of Entra without Graph',
      `${teams()}\n${group(`entra:group:${PERSON}`)}`,
      'people.groups.a[0]: needs channels.teams.graph: true',
    ],
    [
      'a person without Teams',
      group(`teams:user:${PERSON}`),
      'people.groups.a[0]: is looked up in Teams, and channels.teams is not set',
    ],
    [
      'a team without Teams',
      group(`teams:team:${ROOM}`),
      'people.groups.a[0]: is looked up in Teams, and channels.teams is not set',
    ],
    ['a team by name', `${teams()}\n${group('teams:team:Ops')}`, 'people.groups.a[0]: is not a person or a group'],
  ])('refuses %s', (_sentence, x, problem) => {
    expect(problems(file({ x }))).toEqual([problem])
  })
})

describe('settings as people write them', () => {
  it('read everything', () => {
    const read = settings(
      file({
        gateway:
          'gateway: { listen: "[::1]:9000", publicUrl: https://gw.example.com/base/, allowedOrigins: [https://app.example.com] }',
        identity: `identity:
  scopes: [mcp:tools]
  issuers:
    - issuer: https://login.example.com
      audience: [a, b]
      algorithms: [ES256, RS256]
      claims: { groups: roles, client: [azp, appid] }
    - issuer: http://127.0.0.1:9999
      audience: c
      allowInsecureLoopbackIssuer: true`,
        upstreams: `upstreams:
  crm: { url: https://crm.example.com/mcp, credential: { kind: static, header: X-Api-Key, secret: abc } }
  pg-1: { url: http://pg.internal/mcp, allowInsecureUpstream: true, credential: { kind: static, secret: abc } }
  raw: { url: http://localhost:1/mcp, credential: { kind: static, header: authorization, scheme: "", secret: "Basic abc" } }`,
        people: 'people: { groups: { dba: [Alice@Example.com, "slack:user:T01/U02"] }, operators: [dba] }',
        channels:
          'channels: { slack: { botToken: b, signingSecret: s, approvals: C1 }, console: { reviewer: Bob@Example.com } }',
        holds: 'holds: { defaultBudget: 20s, maxPerAgent: 5, budgets: { Claude Code: 10m, goose: 4m } }',
        sessions: 'sessions: { idle: 2h }',
      }),
    )
    expect(read.gateway.listen).toEqual({ host: '::1', port: 9000 })
    expect(read.gateway.publicUrl).toBe('https://gw.example.com/base')
    expect(read.identity.issuers).toMatchObject([
      { audience: ['a', 'b'], algorithms: ['ES256', 'RS256'], claims: { groups: ['roles'], client: ['azp', 'appid'] } },
      { issuer: 'http://127.0.0.1:9999', audience: ['c'] },
    ])
    const credentials = [...read.upstreams.values()].map(({ credential }) =>
      credential !== null && 'header' in credential ? [credential.header, credential.scheme] : null,
    )
    expect(credentials).toEqual([
      ['x-api-key', null],
      ['authorization', 'Bearer'],
      ['authorization', null],
    ])
    expect(read.people.operators).toEqual(['dba'])
    expect(read.people.groups.get('dba')).toEqual({
      emails: new Set(['alice@example.com']),
      reviewerIds: new Set(['slack:T01:U02']),
      lookedUp: [],
    })
    expect(read.channels.console.reviewer).toBe('bob@example.com')
    expect(read.channels.slack).toMatchObject({ appToken: null, approvals: 'C1', summaries: 'C1', apiUrl: null })
    expect(read.holds.defaultBudgetMs).toBe(20_000)
    expect(read.holds.maxPerAgent).toBe(5)
    expect([...read.holds.budgets]).toEqual([
      ['claude code', 600_000],
      ['goose', 240_000],
    ])
    expect(read.sessions.idleMs).toBe(7_200_000)
  })

  it('read an upstream that is a command', () => {
    const upstreams = `upstreams:
  small: { command: [./server] }
  large:
    command: [npx, -y, "a b; $(c)", 7]
    cwd: ./server
    env: { LOG_LEVEL: info }
    spawn: shared
    idle: 5m
    maxProcesses: 4
    credential: { kind: static, env: API_TOKEN, secret: "two\\nlines" }`
    const read = settings(file({ upstreams }))
    expect(read.upstreams.get('small')).toEqual({
      kind: 'stdio',
      name: 'small',
      command: ['./server'],
      cwd: null,
      env: expect.any(Map),
      spawn: 'per_session',
      idleMs: 3_600_000,
      maxProcesses: 32,
      credential: null,
    })
    const large = read.upstreams.get('large')
    if (large?.kind !== 'stdio') throw new Error('it is a command')
    expect(large).toMatchObject({ command: ['npx', '-y', 'a b; $(c)', '7'], cwd: './server', spawn: 'shared' })
    expect(large).toMatchObject({ idleMs: 300_000, maxProcesses: 4, credential: { kind: 'static', env: 'API_TOKEN' } })
    expect(large.env.get('LOG_LEVEL')?.reveal()).toBe('info')
    expect(large.credential?.secret.reveal()).toBe('two\nlines')
    expect(inspect(read, { depth: 20, showHidden: true })).not.toContain('lines')
  })

  it('keep secrets from being printed', () => {
    const read = settings(
      file({
        redis: 'redis: { url: "redis://:hunter2@127.0.0.1:6379/0" }',
        upstreams: 'upstreams: { a: { url: https://a.example, credential: { kind: static, secret: hunter2 } } }',
        channels:
          'channels: { slack: { botToken: hunter2, signingSecret: hunter2, appToken: hunter2, approvals: C1 } }',
      }),
    )
    expect(
      inspect(read, { depth: 20, showHidden: true }) + JSON.stringify([read, ...read.upstreams.values()]),
    ).not.toContain('hunter2')
    expect(read.redis.url?.reveal()).toBe('redis://:hunter2@127.0.0.1:6379/0')
    expect(read.upstreams.get('a')?.credential?.secret.reveal()).toBe('hunter2')
  })

  it('have no Slack where all that is given of it is empty', () => {
    const channels = 'channels: { slack: { botToken: "${B:-}", signingSecret: "${S:-}", approvals: "${A:-}" } }'
    expect(settings(file({ channels })).channels.slack).toBeNull()
    expect(settings(file({ channels }), { B: 'b', S: 's', A: 'C1' }).channels.slack?.approvals).toBe('C1')
    expect(problems(file({ channels }), { B: 'b' })).toEqual([
      'channels.slack.approvals: is empty',
      'channels.slack.signingSecret: is missing, and so is appToken',
    ])
  })

  it('name further workspaces of the same app, each with a token of its own', () => {
    const channels = withWorkspaces(
      'acme: { botToken: xoxb-2, approvals: C1 }, beta: { botToken: xoxb-3, approvals: C2, summaries: C3 }',
    )
    const found = new Map(settings(file({ channels })).channels.slack?.workspaces)
    expect([...found].map(([name, { botToken, ...rest }]) => [name, botToken.reveal(), rest])).toEqual([
      ['acme', 'xoxb-2', { approvals: 'C1', summaries: null }],
      ['beta', 'xoxb-3', { approvals: 'C2', summaries: 'C3' }],
    ])
  })

  it('have no workspace where all that is given of it is empty', () => {
    const channels = withWorkspaces('acme: { botToken: "${B:-}", approvals: "${A:-}" }')
    expect(settings(file({ channels })).channels.slack?.workspaces.size).toBe(0)
    expect(problems(file({ channels }), { B: 'b' })).toEqual(['channels.slack.workspaces.acme.approvals: is empty'])
    const all =
      'channels: { slack: { botToken: "", signingSecret: "", approvals: "", workspaces: { a: { botToken: "" } } } }'
    expect(settings(file({ channels: all })).channels.slack).toBeNull()
  })

  it('have groups of further workspaces', () => {
    const x = `${withWorkspaces('acme: { botToken: xoxb-2, approvals: C1 }')}
people: { groups: { a: ["slack/acme:usergroup:S1", "slack/acme:channel:C2"] } }`
    expect(settings(file({ x })).people.groups.get('a')?.lookedUp).toEqual([
      'slack/acme:usergroup:S1',
      'slack/acme:channel:C2',
    ])
  })
})

describe('variables', () => {
  const policy = (value: string, env: Env = {}) => {
    const parsed = parse(file({ policy: `policy: ${value}` }), env)
    return parsed.ok ? parsed.settings.policy : parsed.problems.map(({ path, message }) => `${path}: ${message}`)
  }
  it.each<[string, string, Env, string | string[]]>([
    ['are put in', '"${A}"', { A: 'x' }, 'x'],
    ['are put in between', 'a${A}b${B}c', { A: '1', B: '2' }, 'a1b2c'],
    ['fall back to their default', '"${A:-d}"', {}, 'd'],
    ['fall back where they are empty', '"${A:-d}"', { A: '' }, 'd'],
    ['have no default where they have a value', '"${A:-d}"', { A: 'x' }, 'x'],
    ['can be escaped', '"$${A}"', { A: 'x' }, '${A}'],
    ['are put in once: their values have none of their own', '"${A}"', { A: '${B}', B: 'x' }, '${B}'],
    ['never become YAML', '"${A}"', { A: '", x: {y: [' }, '", x: {y: ['],
    ['that are missing are named', '"${A}"', {}, ['policy: the environment has no A']],
    [
      'that are missing are all named',
      '"${A}${B}"',
      {},
      ['policy: the environment has no A', 'policy: the environment has no B'],
    ],
    ['are not what every object has', '"${toString}"', {}, ['policy: the environment has no toString']],
    [
      'that are malformed are refused',
      '"${A-b}"',
      { A: 'x' },
      ['policy: a ${ that is not ${NAME} or ${NAME:-default}'],
    ],
    ['that are not closed are refused', '"${A"', { A: 'x' }, ['policy: a ${ that is not ${NAME} or ${NAME:-default}']],
    ['leave a lone dollar alone', '"$A $ {B}"', {}, '$A $ {B}'],
  ])('%s', (_sentence, value, env, wanted) => {
    expect(policy(value, env)).toEqual(wanted)
  })

  it('can be numbers and switches', () => {
    const text = file({
      gateway: 'gateway: { maxBodyBytes: "${N}" }',
      channels: 'channels: { console: { enabled: "${C}" }, slack: { botToken: b, appToken: a, approvals: C1 } }',
    })
    const read = settings(text, { N: '2048', C: 'false' })
    expect([read.gateway.maxBodyBytes, read.channels.console.enabled]).toEqual([2048, false])
  })
})

const signIn = (written: string) => ({
  identity: `identity: { issuers: [{ issuer: https://a.example, signIn: ${written} }] }`,
})

describe('where reviewers sign in', () => {
  it('is an issuer with a client of the gateway’s own', () => {
    const text = file({
      gateway: 'gateway: { publicUrl: "https://gateway.example.com" }',
      people: 'people: { passkeys: required }',
      ...signIn('{ clientId: c, clientSecret: "${S}" }'),
    })
    const { identity, people } = settings(text, { S: 'secret' })
    expect(identity.signIns).toMatchObject([
      { issuer: 'https://a.example', clientId: 'c', scopes: ['openid', 'email', 'profile'] },
    ])
    expect(identity.signIns[0]?.clientSecret?.reveal()).toBe('secret')
    expect(JSON.stringify(identity.signIns)).not.toContain('"secret"')
    expect(people.passkeys).toBe('required')
  })

  it('can be tried on loopback, with passkeys under the name localhost', () => {
    const gateway = 'gateway: { publicUrl: "http://localhost:8080" }'
    const text = file({ gateway, people: 'people: { passkeys: optional }', ...signIn('{ clientId: c }') })
    expect(settings(text).identity.signIns[0]?.clientSecret).toBeNull()
  })
})

describe('the weekly digest', () => {
  it.each<[string, string, Settings['recordings']['digest']]>([
    [
      'is posted as it says',
      '{ day: fri, at: "7:30", zone: Europe/Berlin }',
      { day: 4, minute: 450, zone: 'Europe/Berlin' },
    ],
    ['has a default for the rest', '{ day: sun }', { day: 6, minute: 540, zone: 'UTC' }],
    ['is on where nothing is said', '', { day: 0, minute: 540, zone: 'UTC' }],
    ['can be turned off', 'off', null],
    ['can be turned off, in other words', 'false', null],
  ])('%s', (_sentence, yaml, expected) => {
    expect(settings(file({ x: `recordings: { digest: ${yaml} }` })).recordings.digest).toEqual(expected)
  })
})

describe('[REQ-POLICY-4] wrong settings', () => {
  it.each<[string, Record<string, string>, string]>([
    ['a misspelt key', { x: 'gatway: {}' }, 'gatway: unknown key'],
    ['a listener without a port', { x: 'gateway: { listen: 127.0.0.1 }' }, 'gateway.listen: is not host:port'],
    ['a port that is none', { x: 'gateway: { listen: "127.0.0.1:70000" }' }, 'gateway.listen: has a port above 65535'],
    ['a listener on no host', { x: 'gateway: { listen: "999.1.1.1:80" }' }, 'gateway.listen: names no host'],
    ['a listener on a path', { x: 'gateway: { listen: "a/b:80" }' }, 'gateway.listen: names no host'],
    [
      'a listener that tells no public URL, in other words',
      { x: 'gateway: { listen: "[::0]:8080" }' },
      'gateway.publicUrl: is missing, and gateway.listen does not tell it',
    ],
    [
      'bodies that no recording holds',
      { x: 'gateway: { maxBodyBytes: 16777216 }' },
      'gateway.maxBodyBytes: is out of bounds',
    ],
    [
      'a listener that tells no public URL',
      { x: 'gateway: { listen: "0.0.0.0:8080" }' },
      'gateway.publicUrl: is missing, and gateway.listen does not tell it',
    ],
    [
      'a public URL with a query',
      { x: 'gateway: { publicUrl: "https://a.example?x" }' },
      'gateway.publicUrl: holds a user name, a query or a fragment',
    ],
    [
      'an origin with a path',
      { x: 'gateway: { allowedOrigins: [https://a.example/] }' },
      'gateway.allowedOrigins[0]: is not an origin',
    ],
    ['every origin', { x: 'gateway: { allowedOrigins: ["*"] }' }, 'gateway.allowedOrigins[0]: is not an origin'],
    ['bodies without end', { x: 'gateway: { maxBodyBytes: 1e12 }' }, 'gateway.maxBodyBytes: is out of bounds'],
    [
      'a client’s budget without a unit',
      { x: 'holds: { budgets: { claude-code: 600 } }' },
      'holds.budgets.claude-code: not a duration',
    ],
    [
      'a budget for a name that is none',
      { x: `holds: { budgets: { ${'x'.repeat(129)}: 10m } }` },
      `holds.budgets.${'x'.repeat(129)}: not a name`,
    ],
    ['an agent that may ask nothing', { x: 'holds: { maxPerAgent: 0 }' }, 'holds.maxPerAgent: is out of bounds'],
    ['budgets as a list', { x: 'holds: { budgets: [10m] }' }, 'holds.budgets: must be names and values'],
    ['Redis by another protocol', { x: 'redis: { url: http://127.0.0.1 }' }, 'redis.url: is not a Redis URL'],
    ['a prefix with a hash tag', { x: 'redis: { keyPrefix: "{a}" }' }, 'redis.keyPrefix: is not a prefix'],
    ['no issuer', { identity: 'identity: { issuers: [] }' }, 'identity.issuers: is an empty list'],
    ['no identity', { identity: '' }, 'identity: is missing'],
    [
      'an issuer over http',
      { identity: 'identity: { issuers: [{ issuer: http://127.0.0.1:1 }] }' },
      'identity.issuers[0].issuer: issuer must be https (http on loopback needs allowInsecureLoopbackIssuer)',
    ],
    [
      'an issuer over http elsewhere',
      { identity: 'identity: { issuers: [{ issuer: http://a.example, allowInsecureLoopbackIssuer: true }] }' },
      'identity.issuers[0].issuer: issuer must be https (http on loopback needs allowInsecureLoopbackIssuer)',
    ],
    [
      'an issuer twice',
      { identity: 'identity: { issuers: [{ issuer: https://a.example }, { issuer: https://a.example }] }' },
      'identity.issuers[1].issuer: is configured twice',
    ],
    ['signing in without a client', signIn('{}'), 'identity.issuers[0].signIn.clientId: is missing'],
    [
      'signing in without openid',
      signIn('{ clientId: c, scopes: [email] }'),
      'identity.issuers[0].signIn.scopes: lacks openid',
    ],
    [
      'signing in over http',
      { ...signIn('{ clientId: c }'), x: 'gateway: { publicUrl: "http://gateway.example.com" }' },
      'identity.issuers[0].signIn: needs gateway.publicUrl to be https',
    ],
    [
      'signing in over http, where the listener tells the public URL',
      { ...signIn('{ clientId: c }'), x: 'gateway: { listen: "10.0.0.1:8080" }' },
      'identity.issuers[0].signIn: needs gateway.publicUrl to be https',
    ],
    [
      'passkeys where nobody signs in',
      { people: 'people: { passkeys: required }' },
      'people.passkeys: needs an issuer where reviewers sign in',
    ],
    [
      'passkeys of an address',
      { ...signIn('{ clientId: c }'), people: 'people: { passkeys: optional }' },
      'people.passkeys: needs a host name in gateway.publicUrl',
    ],
    [
      'passkeys that are neither',
      { people: 'people: { passkeys: on }' },
      'people.passkeys: must be one of off, optional, required',
    ],
    [
      'a shared secret’s algorithm',
      { identity: 'identity: { issuers: [{ issuer: https://a.example, algorithms: [HS256] }] }' },
      'identity.issuers[0].algorithms: algorithm HS256 is not allowed',
    ],
    [
      'no algorithm',
      { identity: 'identity: { issuers: [{ issuer: https://a.example, algorithms: [none] }] }' },
      'identity.issuers[0].algorithms: algorithm none is not allowed',
    ],
    [
      'an empty audience',
      { identity: 'identity: { issuers: [{ issuer: https://a.example, audience: [] }] }' },
      'identity.issuers[0].audience: is an empty list',
    ],
    [
      'a claim that we do not map',
      { identity: 'identity: { issuers: [{ issuer: https://a.example, claims: { mail: m } }] }' },
      'identity.issuers[0].claims.mail: unknown key',
    ],
    [
      'a scope with a space',
      { identity: 'identity: { issuers: [{ issuer: https://a.example }], scopes: [a b] }' },
      'identity.scopes[0]: is not a scope',
    ],
    ['no upstream', { upstreams: 'upstreams: {}' }, 'upstreams: names no upstream'],
    [
      'an upstream in capitals',
      { upstreams: 'upstreams: { Files: { url: https://a.example } }' },
      'upstreams.Files: not a name',
    ],
    [
      'an upstream over http',
      { upstreams: 'upstreams: { a: { url: http://a.example } }' },
      'upstreams.a.url: must be https',
    ],
    [
      'an upstream that is no URL',
      { upstreams: 'upstreams: { a: { url: ftp://a.example } }' },
      'upstreams.a.url: is not an http or https URL',
    ],
    [
      'an upstream with a password in its URL',
      { upstreams: 'upstreams: { a: { url: https://u:p@a.example } }' },
      'upstreams.a.url: holds a user name, a query or a fragment',
    ],
    [
      'a credential of another kind',
      { upstreams: 'upstreams: { a: { url: https://a.example, credential: { kind: vault, secret: x } } }' },
      'upstreams.a.credential.kind: must be one of static',
    ],
    [
      'a credential in a header of ours',
      {
        upstreams:
          'upstreams: { a: { url: https://a.example, credential: { kind: static, header: Host, secret: x } } }',
      },
      'upstreams.a.credential.header: is a header that the gateway writes itself',
    ],
    [
      'a credential in a protocol header',
      {
        upstreams:
          'upstreams: { a: { url: https://a.example, credential: { kind: static, header: Mcp-Session-Id, secret: x } } }',
      },
      'upstreams.a.credential.header: is a header that the gateway writes itself',
    ],
    [
      'a secret with a line feed',
      { upstreams: 'upstreams: { a: { url: https://a.example, credential: { kind: static, secret: "x\\ny" } } }' },
      'upstreams.a.credential.secret: is not fit for a header',
    ],
    [
      'an empty secret',
      { upstreams: 'upstreams: { a: { url: https://a.example, credential: { kind: static, secret: "" } } }' },
      'upstreams.a.credential.secret: is empty',
    ],
    ['no policy', { policy: '' }, 'policy: is missing'],
    [
      'a group of Slack without Slack',
      { x: 'people: { groups: { a: ["slack:usergroup:S1"] } }' },
      'people.groups.a[0]: is looked up in Slack, and channels.slack is not set',
    ],
    [
      'a channel of Slack without Slack',
      { x: 'people: { groups: { a: [bob@example.com, "slack:channel:C1"] } }' },
      'people.groups.a[1]: is looked up in Slack, and channels.slack is not set',
    ],
    [
      'a group of a workspace that is not configured',
      { x: `${SLACK}\npeople: { groups: { a: ["slack/acme:usergroup:S1"] } }` },
      'people.groups.a[0]: names a workspace that channels.slack does not have',
    ],
    [
      'a group of another workspace than is configured',
      {
        x: `${withWorkspaces('acme: { botToken: b, approvals: C1 }')}\npeople: { groups: { a: ["slack/acne:channel:C1"] } }`,
      },
      'people.groups.a[0]: names a workspace that channels.slack does not have',
    ],
    [
      'a workspace without a token',
      { x: withWorkspaces('acme: { approvals: C1 }') },
      'channels.slack.workspaces.acme.botToken: is missing',
    ],
    [
      'a workspace without a channel for cards',
      { x: withWorkspaces('acme: { botToken: b }') },
      'channels.slack.workspaces.acme.approvals: is missing',
    ],
    [
      'a workspace beside another that lacks its token',
      { x: withWorkspaces('acme: { botToken: b, approvals: C1 }, beta: { summaries: C1, approvals: C1 }') },
      'channels.slack.workspaces.beta.botToken: is missing',
    ],
    [
      'a workspace with a signing secret of its own',
      { x: withWorkspaces('acme: { botToken: b, approvals: C1, signingSecret: s }') },
      'channels.slack.workspaces.acme.signingSecret: is the app’s, not the workspace’s',
    ],
    [
      'a workspace’s name that no policy could write',
      { x: withWorkspaces('Acme_1: { botToken: b, approvals: C1 }') },
      'channels.slack.workspaces.Acme_1: not a name',
    ],
    [
      'the first workspace’s token again',
      { x: withWorkspaces('acme: { botToken: xoxb-1, approvals: C2 }') },
      'channels.slack.workspaces.acme.botToken: is the token of channels.slack too',
    ],
    [
      'one token for two workspaces',
      { x: withWorkspaces('acme: { botToken: b, approvals: C1 }, beta: { botToken: b, approvals: C2 }') },
      'channels.slack.workspaces.beta.botToken: is the token of acme too',
    ],
    [
      'more workspaces than one gateway asks about people',
      {
        x: withWorkspaces(
          Array.from({ length: 21 }, (_, at) => `w${at}: { botToken: b${at}, approvals: C1 }`).join(', '),
        ),
      },
      'channels.slack.workspaces: has more than 20 entries',
    ],
    [
      'a user group by its handle',
      { x: `${SLACK}\npeople: { groups: { a: ["slack:usergroup:@dba"] } }` },
      'people.groups.a[0]: is not a person or a group',
    ],
    [
      'a channel by its name',
      { x: `${SLACK}\npeople: { groups: { a: ["slack:channel:#dba"] } }` },
      'people.groups.a[0]: is not a person or a group',
    ],
    [
      'a direct message in the place of a channel',
      { x: `${SLACK}\npeople: { groups: { a: ["slack:channel:D0123"] } }` },
      'people.groups.a[0]: is not a person or a group',
    ],
    [
      'a group of Okta without Okta',
      { x: 'people: { groups: { a: ["okta:DBA"] } }' },
      'people.groups.a[0]: is looked up in Okta, and people.okta is not set',
    ],
    [
      'a group of Okta without a name',
      { x: 'people: { groups: { a: ["okta:"] }, okta: { url: https://example.okta.com, token: t } }' },
      'people.groups.a[0]: is not a person or a group',
    ],
    [
      'a group of an issuer that is not configured',
      { x: 'people: { groups: { a: ["idp:https://other.example|dba"] } }' },
      'people.groups.a[0]: names an issuer that identity.issuers does not have',
    ],
    [
      'a group of a directory that nobody knows',
      { x: 'people: { groups: { a: ["ldap:dba"] } }' },
      'people.groups.a[0]: names a directory that is not known',
    ],
    [
      'more groups to look up than a click can wait for',
      { x: `people: { groups: { a: [${Array.from({ length: 21 }, (_, at) => `"idp:g${at}"`).join(', ')}] } }` },
      'people.groups.a: has more than 20 groups that are looked up',
    ],
    [
      'Okta over http',
      { x: 'people: { okta: { url: http://example.okta.com, token: t } }' },
      'people.okta.url: must be https',
    ],
    [
      'Okta with a path',
      { x: 'people: { okta: { url: https://example.okta.com/api/v1, token: t } }' },
      'people.okta.url: is not an origin',
    ],
    [
      'Okta without a token',
      { x: 'people: { okta: { url: https://example.okta.com } }' },
      'people.okta.token: is missing',
    ],
    [
      'Okta with a token that is none',
      { x: 'people: { okta: { url: https://example.okta.com, token: "a\\nb" } }' },
      'people.okta.token: is not fit for a header',
    ],
    [
      'Okta with a scheme of another house',
      { x: 'people: { okta: { url: https://example.okta.com, token: t, scheme: Basic } }' },
      'people.okta.scheme: must be one of SSWS, Bearer',
    ],
    ['a person without an address', { x: 'people: { groups: { a: [bob] } }' }, 'people.groups.a[0]: is not a person'],
    [
      'a person of no workspace',
      { x: 'people: { groups: { a: ["slack:user:U1"] } }' },
      'people.groups.a[0]: is not a person or a group',
    ],
    [
      'operators that are no group',
      { x: 'people: { operators: [sre] }' },
      'people.operators[0]: names no group: “sre”',
    ],
    [
      'a misspelt group of operators',
      { x: 'people: { groups: { sre: [a@example.com] }, operators: [srre] }' },
      'people.operators[0]: names no group: “srre”',
    ],
    ['operators that are nobody', { x: 'people: { operators: [] }' }, 'people.operators: is an empty list'],
    ['a group named like an address', { x: 'people: { groups: { "a@b": [] } }' }, 'people.groups.a@b: not a name'],
    [
      'no channel',
      { x: 'channels: { console: { enabled: false } }' },
      'channels: there is no channel to ask people in',
    ],
    [
      'Slack without a way to hear from it',
      { x: 'channels: { slack: { botToken: b, approvals: C1 } }' },
      'channels.slack.signingSecret: is missing, and so is appToken',
    ],
    [
      'Slack over http',
      { x: 'channels: { slack: { botToken: b, appToken: a, approvals: C1, apiUrl: http://a.example } }' },
      'channels.slack.apiUrl: must be https',
    ],
    ['a duration without a unit', { x: 'sessions: { idle: 15 }' }, 'sessions.idle: not a duration'],
    ['a session without end', { x: 'sessions: { idle: 2d }' }, 'sessions.idle: too long'],
    ['another way to sync', { x: 'recordings: { sync: never }' }, 'recordings.sync: must be one of group, always'],
    [
      'a digest on no day',
      { x: 'recordings: { digest: { day: monday } }' },
      'recordings.digest.day: must be one of mon, tue, wed, thu, fri, sat, sun',
    ],
    [
      'a digest at no time',
      { x: 'recordings: { digest: { at: "24:00" } }' },
      'recordings.digest.at: is not a time of day',
    ],
    [
      'a digest nowhere',
      { x: 'recordings: { digest: { zone: "+01:00" } }' },
      'recordings.digest.zone: is not a time zone',
    ],
    ['a digest by another name', { x: 'recordings: { digest: { when: mon } }' }, 'recordings.digest.when: unknown key'],
    [
      'a digest that is neither',
      { x: 'recordings: { digest: weekly }' },
      'recordings.digest: must be off, or keys and values',
    ],
    ['a list in the place of keys', { x: 'recordings: [a]' }, 'recordings: must be keys and values'],
  ])('name %s', (_sentence, change, said) => {
    expect(problems(file(change))).toEqual([said])
  })

  it.each<[string, string, string]>([
    ['an empty file', '', ': countersign.yaml is empty'],
    ['a file that is a list', '- a', ': must be keys and values'],
    ['a key twice', 'policy: a\npolicy: b', ': this key is here twice'],
    ['two documents', 'policy: a\n---\npolicy: b', ': the file has more than one document'],
    ['an anchor', 'policy: &a x', 'policy: YAML anchors are not used here'],
    ['a tag', 'policy: !!js/function x', ': YAML tags are not used here'],
    ['a key of JavaScript', '__proto__: { x: 1 }', ': the key __proto__ is refused'],
    ['a key that is a map', '? { a: 1 }\n: x', ': a key must be one plain word'],
    ['too much', `policy: ${'x'.repeat(1_100_000)}`, ': the file is too large'],
    ['too many levels', `policy: ${'['.repeat(500)}${']'.repeat(500)}`, ': nested too deeply'],
  ])('name %s', (_sentence, text, said) => {
    expect(problems(text)[0]).toContain(said)
  })

  it.each<[string, string, string[]]>([
    ['neither url nor command', '{}', ['upstreams.a.url: is missing, and so is command']],
    ['both url and command', '{ url: https://a.example, command: [x] }', ['upstreams.a.command: stands beside url']],
    ['a command that is one text', '{ command: "npx server" }', ['upstreams.a.command: must be a list']],
    ['an empty command', '{ command: [] }', ['upstreams.a.command: is an empty list']],
    ['an empty program', '{ command: [""] }', ['upstreams.a.command[0]: is empty']],
    ['arguments apart', '{ command: [x], args: [y] }', ['upstreams.a.args: is part of command here']],
    [
      'keys of commands beside a url',
      '{ url: https://a.example, cwd: x, env: { A: b }, spawn: shared, idle: 1m, maxProcesses: 2 }',
      ['cwd', 'env', 'spawn', 'idle', 'maxProcesses'].map(
        (key) => `upstreams.a.${key}: is for upstreams with a command`,
      ),
    ],
    [
      'a header for a command',
      '{ command: [x], credential: { kind: static, header: X-Key, scheme: Bearer, secret: s } }',
      [
        'upstreams.a.credential.header: is for upstreams with a url',
        'upstreams.a.credential.scheme: is for upstreams with a url',
        'upstreams.a.credential.env: is missing',
      ],
    ],
    [
      'a variable for a url',
      '{ url: https://a.example, credential: { kind: static, env: KEY, secret: s } }',
      ['upstreams.a.credential.env: is for upstreams with a command'],
    ],
    [
      'one variable twice',
      '{ command: [x], env: { KEY: a }, credential: { kind: static, env: KEY, secret: s } }',
      ['upstreams.a.env.KEY: is also the credential’s variable'],
    ],
    ['a variable with a space', '{ command: [x], env: { "A B": c } }', ['upstreams.a.env.A B: not a name']],
    [
      'another way to spawn',
      '{ command: [x], spawn: each }',
      ['upstreams.a.spawn: must be one of per_session, shared'],
    ],
  ])('name %s', (_sentence, upstream, said) => {
    expect(problems(file({ upstreams: `upstreams: { a: ${upstream} }` }))).toEqual(said)
  })

  it('unfold no aliases, however few bytes they take', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      ...'bcdefgh'.split('').map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[at]}`)}]`),
    ]
    expect(problems(bomb.join('\n'))).toContain('b[0]: YAML aliases are not used here')
  })

  it('come all at once, each with its line and its cure', () => {
    const parsed = parse(`gateway: { lisen: x }
identity: { issuers: [{ issuer: http://a.example }] }
upstreams:
  files: { url: http://a.example }
  local: { command: npx }
channels: { slak: {} }
sessions: { idle: 5 }`)
    if (parsed.ok) throw new Error('these settings are wrong')
    expect(parsed.problems.map(({ path, line }) => `${line} ${path}`).sort()).toEqual([
      '1 gateway.lisen',
      '2 identity.issuers[0].issuer',
      '4 upstreams.files.url',
      '5 upstreams.local.command',
      '6 channels.slak',
      '7 sessions.idle',
      'null policy',
    ])
    expect(parsed.problems.every(({ cure }) => cure.length > 5)).toBe(true)
    expect(formatProblems(parsed.problems, 'countersign.yaml').split('\n').slice(0, 2)).toEqual([
      'countersign.yaml:1 gateway.lisen: unknown key',
      '    Did you mean listen? Otherwise remove it.',
    ])
  })

  it('are told without repeating what was written', () => {
    const secret = 'sk-hunter2-hunter2'
    const parsed = parse(
      `gateway: { publicUrl: "${secret}", listen: "${secret}", maxBodyBytes: "${secret}" }
redis: { url: "${secret}", keyPrefix: "${secret} " }
identity: { issuers: [{ issuer: "${secret}" }], scopes: ["${secret} x"] }
upstreams: { a: { url: "${secret}", credential: { kind: "${secret}", header: "${secret} ", secret: "${secret}\\n" } } }
people: { groups: { a: ["${secret}"] } }
sessions: { idle: "${secret}" }
recordings: { sync: "${secret}" }
policy: ["${secret}"]`,
    )
    if (parsed.ok) throw new Error('these settings are wrong')
    expect(parsed.problems.length).toBeGreaterThan(12)
    expect(formatProblems(parsed.problems)).not.toContain(secret)
  })
})

describe('warnings', () => {
  const REVIEWER = 'channels: { console: { reviewer: bob@example.com } }'
  const warnings = (change: Record<string, string>) => {
    const parsed = parse(file(change))
    return parsed.ok ? parsed.warnings.map(({ path, message }) => `${path}: ${message}`) : ['refused']
  }
  it.each([
    ['none where nothing is to say', { x: REVIEWER }, []],
    [
      'tokens over http',
      { x: `gateway: { publicUrl: http://gw.example.com }\n${REVIEWER}` },
      ['gateway.publicUrl: agents send their tokens over http'],
    ],
    [
      'a console whose reviewer nobody knows',
      {},
      ['channels.console.reviewer: is not set, so the console can’t tell its reviewer from an owner'],
    ],
  ])('%s', (_sentence, change, said) => {
    expect(warnings(change)).toEqual(said)
  })
})

describe('a duration', () => {
  const bounds = { minMs: 1_000, maxMs: 86_400_000 }
  it.each<[string, number | string]>([
    ['90s', 90_000],
    ['15m', 900_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1500ms', 1_500],
    [' 5s ', 5_000],
    ['0s', 'too short'],
    ['25h', 'too long'],
    ['15', 'not a duration'],
    ['1.5h', 'not a duration'],
    ['1h30m', 'not a duration'],
    ['-5m', 'not a duration'],
    ['15 m', 'not a duration'],
    ['15M', 'not a duration'],
    ['Infinitys', 'not a duration'],
    ['', 'not a duration'],
  ])('%j is %j', (text, wanted) => {
    const parsed = parseDuration(text, bounds)
    expect(parsed.ok ? parsed.ms : parsed.message).toBe(wanted)
  })

  it('prints in its largest unit', () => {
    expect([900_000, 90_000, 5_400_000, 86_400_000, 1_500].map(formatDuration)).toEqual([
      '15m',
      '90s',
      '90m',
      '1d',
      '1500ms',
    ])
  })
})

describe('the nearest name', () => {
  it.each([
    ['lisen', 'listen'],
    ['allowedOrigin', 'allowedOrigins'],
    ['urll', 'url'],
    ['x', null],
    ['completely', null],
  ])('to %s is %s', (name, wanted) => {
    expect(nearest(name, ['listen', 'allowedOrigins', 'url'])).toBe(wanted)
  })
})
