/**
 * The settings file as people write it (YAML, after `${NAME}`), field by field. settings.ts makes Settings of it.
 *
 * Unknown keys are refused: a misspelt `allowedOrigin` that is silently ignored is a door that nobody checked. Each
 * key here belongs to a feature that exists; keys of features to come are refused by a sentence of their own.
 */
import { z } from 'zod'
import type { DigestSchedule } from '../audit/week.ts'
import { type IssuerOptions, isSecure, issuerProblems } from '../identity/issuer.ts'
import {
  choice,
  duration,
  email,
  flag,
  integer,
  isEmail,
  list,
  matching,
  named,
  oneOrMore,
  optionalText,
  strict,
  text,
} from './fields.ts'
import { nearest, type Path, say, suggestion } from './problems.ts'
import { teams } from './teams-file.ts'
import { zone } from './zone.ts'

/** What passes is recorded, as one line at most: half of audit/chain.ts' LINE_MAX_BYTES, because JSON grows. */
const BODY_BYTES_MAX = 8 * 1024 * 1024
const UPSTREAMS_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
/** As policy/place.ts reads it in `slack/acme`. */
const WORKSPACE_NAME = UPSTREAMS_NAME
/** `@` would be an e-mail and `:` another kind of member, so neither can be in a group's name. */
export const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/
const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024

const gateway = strict(
  {
    listen: matching(
      /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/,
      'host:port',
      'Write it like 127.0.0.1:8080 or [::1]:8080.',
    )
      .refine((value) => Number(value.slice(value.lastIndexOf(':') + 1)) <= 65_535, {
        error: say('has a port above 65535', 'Choose a port from 0 to 65535.'),
      })
      .refine((value) => listenUrl(value) !== null, {
        error: say('names no host', 'Write an address of this machine, like 127.0.0.1:8080 or [::1]:8080.'),
      })
      .default('127.0.0.1:8080'),
    publicUrl: webUrl('https://gateway.example.com').optional(),
    maxBodyBytes: integer({ min: 1024, max: BODY_BYTES_MAX, unit: 'bytes' }).default(4 * 1024 * 1024),
    allowedOrigins: list(origin(), 100).default([]),
  },
  { check: checkPublicUrl },
).prefault({})

const redis = strict({
  url: optionalText('redis://127.0.0.1:6379/0')
    .refine((value) => value === '' || hasProtocol(value, ['redis:', 'rediss:']), {
      error: say('is not a Redis URL', 'Write it like redis://host:6379/0, or rediss:// for TLS.'),
    })
    .default(''),
  keyPrefix: matching(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'a prefix', 'Use up to 32 small letters, digits, - and _.').default(
    'countersign',
  ),
}).prefault({})

const claimNames = oneOrMore(text('groups'), 10).optional()

const issuer = strict(
  {
    issuer: text('https://example.okta.com/oauth2/default'),
    audience: oneOrMore(text('https://gateway.example.com'), 20).optional(),
    algorithms: list(text('RS256'), 20).optional(),
    claims: strict({
      subject: claimNames,
      email: claimNames,
      groups: claimNames,
      client: claimNames,
      scopes: claimNames,
    }).optional(),
    allowInsecureLoopbackIssuer: flag().default(false),
    signIn: strict({
      clientId: text('0oa1b2c3d4, the id of the gateway’s own client at the issuer'),
      clientSecret: optionalText('the client’s secret; left out for a public client').default(''),
      scopes: list(scopeName(), 20)
        .refine((scopes) => scopes.includes('openid'), {
          error: say('lacks openid', 'Add it: without it the issuer answers no ID token, and nobody is signed in.'),
        })
        .default(['openid', 'email', 'profile']),
    }).optional(),
  },
  { check: checkIssuer },
)

const identity = strict(
  {
    issuers: list(issuer, 20).min(1, { error: say('is an empty list', 'Name at least one issuer of access tokens.') }),
    scopes: list(scopeName(), 50).default([]),
  },
  { check: checkIssuersDiffer },
)

/** Headers that the gateway, the transport or the protocol decides; a credential in them would break or forge one. */
const RESERVED_HEADERS =
  /^(host|connection|content-.*|transfer-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*|accept.*|mcp-.*|last-event-id|forwarded|x-forwarded-.*)$/i

const HEADER_SECRET = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

const credential = strict(
  {
    kind: choice('static'),
    header: matching(
      /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/,
      'a header’s name',
      'Write one like Authorization or X-Api-Key.',
    )
      .refine((value) => !RESERVED_HEADERS.test(value), {
        error: say(
          'is a header that the gateway writes itself',
          'Use Authorization, or the header that the server names.',
        ),
      })
      .optional(),
    scheme: optionalText('Bearer')
      .refine((value) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,32}$/.test(value), {
        error: say('is not an authentication scheme', 'Write one word like Bearer, or leave it empty.'),
      })
      .optional(),
    env: variableName().optional(),
    secret: matching(/^[^\0]*$/, 'free of NULs', 'Take it from a variable of the environment.'),
  },
  { check: checkCredential },
)

/** A process a session, a few sessions an agent: enough for a team; a machine with more memory can say so. */
export const PROCESSES_DEFAULT = 32
/** A process that waits must outlast people's approvals, whose deadlines are minutes: with it would go its session. */
export const PROCESS_IDLE_MS = 3_600_000

/** What only an upstream with a `command` has. */
const COMMAND_KEYS = ['cwd', 'env', 'spawn', 'idle', 'maxProcesses'] as const

const upstream = strict(
  {
    url: webUrl('https://mcp.example.com/mcp').optional(),
    allowInsecureUpstream: flag().default(false),
    command: list(argument(), 1000)
      .min(1, { error: say('is an empty list', 'Name the program first, then its arguments.') })
      .optional(),
    cwd: text('./server').optional(),
    env: named(VARIABLE_NAME, 'Use letters, digits and _.', argument(), 'LOG_LEVEL: info').optional(),
    spawn: choice('per_session', 'shared').optional(),
    idle: duration({ minMs: 1000, maxMs: 7 * 86_400_000 }).optional(),
    maxProcesses: integer({ min: 1, max: 1000, unit: 'processes' }).optional(),
    credential: credential.optional(),
  },
  {
    refused: { args: say('is part of command here', 'Write command: [program, argument, argument].') },
    check: checkUpstream,
  },
)

const OF_THE_APP = say(
  'is the app’s, not the workspace’s',
  'Set it once, in channels.slack: all workspaces have one app.',
)

/** Each is asked about people, and for its team, by itself; an organisation with more needs more than one gateway. */
const WORKSPACES_MAX = 20

/** A further workspace of the same app. What belongs to the app (signing secret, app token) stands above. */
const workspace = z.preprocess(
  // All left empty: `${ACME_BOT_TOKEN:-}` and its like, where that workspace is not connected.
  (value) => (isRecord(value) && Object.keys(value).length > 0 && areEmpty(value) ? undefined : value),
  strict(
    {
      botToken: text('xoxb-…, the app’s Bot User OAuth Token of that workspace'),
      approvals: text('C0123ABCD, the channel’s id'),
      summaries: optionalText('C0123ABCD, the channel’s id').default(''),
    },
    { refused: { signingSecret: OF_THE_APP, appToken: OF_THE_APP, apiUrl: OF_THE_APP } },
  ).optional(),
)

const slack = z.preprocess(
  // All left empty: `${SLACK_BOT_TOKEN:-}` and its like, where no workspace is connected.
  (value) => (isRecord(value) && areEmpty(value) ? undefined : value),
  strict(
    {
      botToken: text('xoxb-…, the app’s Bot User OAuth Token'),
      signingSecret: optionalText('the app’s Signing Secret').default(''),
      appToken: optionalText('xapp-…, an app-level token for Socket Mode').default(''),
      approvals: text('C0123ABCD, the channel’s id'),
      summaries: optionalText('C0123ABCD, the channel’s id').default(''),
      apiUrl: webUrl('https://slack.com/api/').optional(),
      workspaces: named(
        WORKSPACE_NAME,
        'Use small letters, digits and -, up to 63.',
        workspace,
        'acme: { botToken: …, approvals: C0123ABCD }',
      )
        .refine((value) => Object.keys(value).length <= WORKSPACES_MAX, {
          error: say(
            `has more than ${WORKSPACES_MAX} entries`,
            `Keep it to ${WORKSPACES_MAX}, or run another gateway.`,
          ),
        })
        .default({}),
    },
    { check: checkSlack },
  ).optional(),
)

const channels = strict(
  {
    slack,
    teams,
    console: strict({ enabled: flag().default(true), reviewer: email().optional() }).prefault({}),
  },
  {
    check: (value, add) => {
      const isConsoleOff = isRecord(value.console) && value.console.enabled === false
      if (isConsoleOff && value.slack === undefined && value.teams === undefined) {
        const cure = 'Enable channels.console, or configure channels.slack or channels.teams.'
        add([], say('there is no channel to ask people in', cure))
      }
    },
  },
).prefault({})

const okta = z.preprocess(
  // Both left empty: `${OKTA_TOKEN:-}` and its like, where no Okta is connected.
  (value) => (isRecord(value) && Object.values(value).every((item) => item === '') ? undefined : value),
  strict({
    url: origin('https://example.okta.com').refine((value) => !URL.canParse(value) || isSecure(new URL(value), true), {
      error: say('must be https', 'Use https; http only on loopback.'),
    }),
    token: matching(HEADER_SECRET, 'fit for a header', 'Take it from Security → API → Tokens of the Okta console.'),
    scheme: choice('SSWS', 'Bearer').default('SSWS'),
  }).optional(),
)

const people = strict(
  {
    passkeys: choice('off', 'optional', 'required').default('off'),
    groups: named(
      GROUP_NAME,
      'Use letters, digits, -, _ and dots, up to 63.',
      list(member(), 1000),
      'dba: [alice@example.com]',
    ).default({}),
    operators: list(text('sre, one of people.groups'), 20)
      .min(1, { error: say('is an empty list', 'Name who may freeze and thaw, or leave it out.') })
      .optional(),
    okta,
  },
  { check: checkOperators },
).prefault({})

const DIGEST_DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const DIGEST_CURE = 'Write off, or { day: mon, at: "09:00", zone: UTC }.'

/** → when in the week after, or null: none is posted. */
const digest = z.preprocess(
  (value, context) => {
    if (value === 'off' || value === false) return null
    if (value === null || value === undefined || isRecord(value)) return value ?? undefined
    context.addIssue({ code: 'custom', message: say('must be off, or keys and values', DIGEST_CURE) })
    return z.NEVER
  },
  strict({
    day: choice(...DIGEST_DAYS).default('mon'),
    at: matching(
      /^([01]?\d|2[0-3]):[0-5]\d$/,
      'a time of day',
      'Write hours and minutes, like "09:00"; the latest is "23:59".',
    ).default('09:00'),
    zone: zone().default('UTC'),
  })
    .transform(({ day, at, zone }): DigestSchedule => {
      const [hour = 0, minute = 0] = at.split(':').map(Number)
      return { day: DIGEST_DAYS.indexOf(day), minute: hour * 60 + minute, zone }
    })
    .nullable()
    .prefault({}),
)

const recordings = strict({
  directory: text('./recordings').default('./recordings'),
  sync: choice('group', 'always').default('group'),
  maxSegmentBytes: integer({ min: 64 * 1024, max: SEGMENT_BYTES_MAX, unit: 'bytes' }).default(64 * 1024 * 1024),
  digest,
}).prefault({})

/** A second: less is no wait. A day: policy has no longer deadline. */
const BUDGET_BOUNDS = { minMs: 1000, maxMs: 86_400_000 }

/** More than this one person can't be asked about; jobs/approvals/store.ts keeps 10,000 of all together. */
const PER_AGENT_MAX = 1_000

const holds = strict({
  // What a reviewer can still look through when an agent goes wild.
  maxPerAgent: integer({ min: 1, max: PER_AGENT_MAX, unit: 'open approvals' }).default(50),
  // The SDKs' requests time out after 60 s, and comments don't reset that clock.
  defaultBudget: duration(BUDGET_BOUNDS).default(45_000),
  budgets: named(
    /^[^\p{Cc}]{1,128}$/u,
    'Write a client’s `clientInfo.name`, of at most 128 characters.',
    duration(BUDGET_BOUNDS),
    'claude-code: 10m',
  ).default({}),
}).prefault({})

export const settingsFile = strict(
  {
    gateway,
    redis,
    identity,
    upstreams: named(
      UPSTREAMS_NAME,
      'Use small letters, digits and -, up to 63.',
      upstream,
      'files: { url: … }',
    ).refine((value) => Object.keys(value).length > 0, {
      error: say('names no upstream', 'Add at least one MCP server.'),
    }),
    policy: text('./policy.yaml'),
    people,
    channels,
    recordings,
    // The SDKs' clients give a request up after 60 s, and comments don't reset their clock: 45 s leaves room for a slow line.
    holds,
    sessions: strict({ idle: duration({ minMs: 1000, maxMs: 86_400_000 }).default(15 * 60_000) }).prefault({}),
    shutdown: strict({ drain: duration({ minMs: 0, maxMs: 600_000 }).default(10_000) }).prefault({}),
  },
  {
    check: (value, add) => {
      checkMembers(value, add)
      checkSignIn(value, add)
    },
  },
)

export type SettingsFile = z.output<typeof settingsFile>

export type Member =
  | { readonly email: string }
  | { readonly reviewerId: string }
  /** Entra's object id, in lower case. */
  | { readonly teamsUser: string }
  /** As it is written: whoever is asked about it takes it apart. */
  | { readonly lookedUp: string }

/** Each costs a question to the directory where nobody whom the settings name clicks. */
const LOOKED_UP_MAX = 20

/**
 * One member of a group: an e-mail address, a person of a workspace, or a group elsewhere.
 *
 *   alice@example.com   slack:user:T0123/U0456   slack:usergroup:S0123   slack:channel:C0123   okta:DBA   idp:dba
 *   teams:user:<object id>   teams:team:19:…@thread.tacv2   teams:channel:19:…@thread.tacv2   entra:group:<object id>
 *   slack/acme:… of a workspace with a name   idp:https://issuer.example|dba as that issuer alone calls it
 */
function member() {
  return text('alice@example.com').transform((value, context): Member => {
    if (isEmail(value) && !/^(slack|teams|entra|okta|idp)[/:]/.test(value)) return { email: value.toLowerCase() }
    // The tenant is the settings' own: see settings.ts.
    const teamsUser = /^teams:user:([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$/i.exec(value)
    if (teamsUser?.[1] !== undefined) return { teamsUser: teamsUser[1].toLowerCase() }
    const slackUser = /^slack:user:([A-Z0-9]{1,32})\/([A-Z0-9]{1,32})$/.exec(value)
    if (slackUser) return { reviewerId: `slack:${slackUser[1]}:${slackUser[2]}` }
    if (ELSEWHERE.some(({ pattern }) => pattern.test(value))) return { lookedUp: value }
    context.addIssue({ code: 'custom', message: notAMember(value) })
    return z.NEVER
  })
}

/** Okta allows a group's name 255 characters; what an issuer's claim calls one is bounded the same. */
const GROUP_ELSEWHERE = '[^\\p{Cc}]{1,255}$'
const ELSEWHERE = [
  { pattern: /^slack(\/[a-z0-9][a-z0-9-]{0,62})?:usergroup:S[A-Z0-9]{1,32}$/, example: 'slack:usergroup:S012AB' },
  { pattern: /^slack(\/[a-z0-9][a-z0-9-]{0,62})?:channel:[CG][A-Z0-9]{1,32}$/, example: 'slack:channel:C0123' },
  { pattern: /^teams:team:19:[A-Za-z0-9_-]{1,200}@thread\.(?:tacv2|skype)$/, example: 'teams:team:19:…@thread.tacv2' },
  {
    pattern: /^teams:channel:19:[A-Za-z0-9_-]{1,200}@(?:thread\.tacv2|thread\.skype|thread\.v2|unq\.gbl\.spaces)$/,
    example: 'teams:channel:19:…@thread.tacv2',
  },
  {
    pattern: /^entra:group:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/,
    example: 'entra:group:00000000-0000-0000-0000-000000000000',
  },
  { pattern: new RegExp(`^okta:${GROUP_ELSEWHERE}`, 'u'), example: 'okta:DBA' },
  { pattern: new RegExp(`^idp:${GROUP_ELSEWHERE}`, 'u'), example: 'idp:dba' },
]

const TEAMS_USER_EXAMPLE = 'teams:user:00000000-0000-0000-0000-000000000000'

function notAMember(value: string): string {
  const examples = ['slack:user:T0123/U0456', TEAMS_USER_EXAMPLE, ...ELSEWHERE.map(({ example }) => example)]
  const kind = /^[a-z]+/.exec(value)?.[0] ?? ''
  const near = examples.filter((example) => example.startsWith(`${kind}:`))
  if (near.length > 0) return say('is not a person or a group', `Write ${near.join(', ')}.`)
  if (/^[a-z]+:/.test(value)) {
    return say(
      'names a directory that is not known',
      'Known are slack, teams, entra, okta and idp; or list the e-mail addresses.',
    )
  }
  return say('is not a person', 'Write alice@example.com or slack:user:T0123/U0456.')
}

/** http or https, without credentials, query and fragment. */
function webUrl(example: string) {
  return text(example)
    .refine((value) => hasProtocol(value, ['http:', 'https:']), {
      error: say('is not an http or https URL', `Write it like ${example}.`),
    })
    .refine((value) => plainUrl(value), {
      error: say('holds a user name, a query or a fragment', `Write it like ${example}; secrets have their own key.`),
    })
}

/** One argument of a command: no shell reads it, so nothing in it is special; the system ends it at a NUL. */
function argument() {
  return z
    .union([z.string(), z.number(), z.boolean()], { error: say('must be text', 'Put it in quotes.') })
    .transform(String)
    .refine((value) => !value.includes('\0'), { error: say('holds a NUL', 'No argument can hold one.') })
}

function scopeName() {
  return matching(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'a scope', 'RFC 6749 allows no spaces, quotes or backslashes.')
}

function variableName() {
  return matching(VARIABLE_NAME, 'a variable’s name', 'Write one like API_TOKEN.')
}

function origin(example = 'https://app.example.com') {
  const cure = `Write scheme, host and port only, like ${example}.`
  return text(cure).refine((value) => hasProtocol(value, ['http:', 'https:']) && new URL(value).origin === value, {
    error: say('is not an origin', cure),
  })
}

function hasProtocol(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol)
}

function plainUrl(value: string): boolean {
  if (!URL.canParse(value)) return true
  const url = new URL(value)
  return url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}

type Add = (path: Path, message: string) => void
type Raw = Readonly<Record<string, unknown>>

/** Null where it is no host and port. As a URL, `0` and `[::0]` too are what they mean. */
function listenUrl(listen: string): URL | null {
  const url = URL.canParse(`http://${listen}`) ? new URL(`http://${listen}`) : null
  return url?.username === '' && url.pathname === '/' && url.search === '' && url.hash === '' ? url : null
}

function checkPublicUrl(value: Raw, add: Add): void {
  if (value.publicUrl !== undefined || typeof value.listen !== 'string') return
  const url = listenUrl(value.listen)
  if (url === null) return
  // What tokens name as audience must be what agents dial; nobody dials 0.0.0.0 or a port that is not chosen yet.
  if (['0.0.0.0', '[::]'].includes(url.hostname) || url.port === '0') {
    add(
      ['publicUrl'],
      say('is missing, and gateway.listen does not tell it', 'Give the URL under which agents reach the gateway.'),
    )
  }
}

function checkIssuer(value: Raw, add: Add): void {
  if (typeof value.issuer !== 'string' || value.issuer === '') return
  const strings = (item: unknown) =>
    Array.isArray(item) && item.every((one) => typeof one === 'string') ? item : undefined
  const options: IssuerOptions = {
    issuer: value.issuer,
    audience: strings(value.audience),
    algorithms: strings(value.algorithms),
    allowInsecureLoopbackIssuer: value.allowInsecureLoopbackIssuer === true,
  }
  for (const sentence of issuerProblems(options)) {
    if (sentence.startsWith('audience')) continue // the field's own check has said so
    const key = sentence.startsWith('algorithm') ? 'algorithms' : 'issuer'
    const [message = '', cure = 'Copy it from the provider’s metadata.'] = sentence.split(': ')
    add([key], say(message, cure))
  }
}

function checkIssuersDiffer(value: Raw, add: Add): void {
  if (!Array.isArray(value.issuers)) return
  const seen = new Set<unknown>()
  for (const [at, item] of value.issuers.entries()) {
    const name = isRecord(item) ? item.issuer : undefined
    if (name !== undefined && seen.has(name)) {
      add(['issuers', at, 'issuer'], say('is configured twice', 'Keep one entry; audience and algorithms take lists.'))
    }
    seen.add(name)
  }
}

/**
 * Reviewers' browsers come back from the issuer to publicUrl: a code that travels in the clear can be taken, and a
 * passkey belongs to a domain (WebAuthn Level 3 §5.1.2: an RP ID is a domain string, so an IP address is none).
 */
function checkSignIn(value: Raw, add: Add): void {
  const issuers = isRecord(value.identity) && Array.isArray(value.identity.issuers) ? value.identity.issuers : []
  const at = issuers.findIndex((item) => isRecord(item) && item.signIn !== undefined)
  const wantsPasskeys =
    isRecord(value.people) && (value.people.passkeys === 'optional' || value.people.passkeys === 'required')
  if (at < 0) {
    if (!wantsPasskeys) return
    const cure = 'Add signIn: { clientId: … } to an issuer: a passkey belongs to a person who signed in.'
    add(['people', 'passkeys'], say('needs an issuer where reviewers sign in', cure))
    return
  }
  const url = publicUrlOf(value.gateway)
  if (url === null) return
  if (!isSecure(url, true)) {
    const cure = 'Put TLS in front and name its https URL in gateway.publicUrl; http is for loopback alone.'
    add(['identity', 'issuers', at, 'signIn'], say('needs gateway.publicUrl to be https', cure))
  }
  if (wantsPasskeys && isAddress(url.hostname)) {
    const cure =
      'Browsers keep passkeys for names, not for addresses: use https://name…, or http://localhost:port for a trial.'
    add(['people', 'passkeys'], say('needs a host name in gateway.publicUrl', cure))
  }
}

function publicUrlOf(gateway: unknown): URL | null {
  if (!isRecord(gateway)) return null
  const written = gateway.publicUrl ?? (typeof gateway.listen === 'string' ? `http://${gateway.listen}` : '')
  return typeof written === 'string' && URL.canParse(written) ? new URL(written) : null
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(hostname)
}

function checkOperators(value: Raw, add: Add): void {
  if (!Array.isArray(value.operators)) return
  const groups = isRecord(value.groups) ? Object.keys(value.groups) : []
  for (const [at, name] of value.operators.entries()) {
    if (typeof name !== 'string' || name === '' || groups.includes(name)) continue
    add(
      ['operators', at],
      say(
        `names no group: “${name}”`,
        nearest(name, groups) === null ? 'Define it in people.groups.' : `Did you mean ${nearest(name, groups)}?`,
      ),
    )
  }
}

/** Where a credential goes decides what it may look like. */
function checkCredential(value: Raw, add: Add): void {
  if (value.env !== undefined || typeof value.secret !== 'string' || value.secret === '') return
  if (HEADER_SECRET.test(value.secret)) return
  add(['secret'], say('is not fit for a header', 'Use printable ASCII without spaces around it.'))
}

function checkUpstream(value: Raw, add: Add): void {
  if (value.url !== undefined && value.command !== undefined) {
    add(['command'], say('stands beside url', 'Keep one: an upstream is either reached by HTTP or started.'))
  }
  if (value.url === undefined && value.command === undefined) {
    add(['url'], say('is missing, and so is command', 'Give the MCP server’s url, or the command that starts it.'))
  }
  if (value.command === undefined) checkHttpUpstream(value, add)
  else checkStdioUpstream(value, add)
}

function checkStdioUpstream(value: Raw, add: Add): void {
  // An argument may be empty; a program can't.
  if (Array.isArray(value.command) && value.command[0] === '') {
    add(['command', 0], say('is empty', 'Name the program first, then its arguments.'))
  }
  if (!isRecord(value.credential)) return
  const { credential } = value
  for (const key of ['header', 'scheme']) {
    if (credential[key] === undefined) continue
    add(['credential', key], say('is for upstreams with a url', 'A command gets its credential by env: NAME.'))
  }
  if (credential.env === undefined) {
    add(['credential', 'env'], say('is missing', 'Name the environment variable from which the server reads it.'))
  } else if (isRecord(value.env) && typeof credential.env === 'string' && Object.hasOwn(value.env, credential.env)) {
    add(['env', credential.env], say('is also the credential’s variable', 'Keep one of the two.'))
  }
}

function checkHttpUpstream(value: Raw, add: Add): void {
  for (const key of COMMAND_KEYS) {
    if (value[key] !== undefined) add([key], say('is for upstreams with a command', 'Remove it.'))
  }
  if (isRecord(value.credential) && value.credential.env !== undefined) {
    const cure = 'Give the header that carries it (Authorization where left out).'
    add(['credential', 'env'], say('is for upstreams with a command', cure))
  }
  if (typeof value.url !== 'string' || !URL.canParse(value.url) || value.allowInsecureUpstream === true) return
  if (isSecure(new URL(value.url), true)) return
  add(
    ['url'],
    say('must be https', 'Use https, or set allowInsecureUpstream: true if the network between is yours alone.'),
  )
}

/** A group that nobody can look up would let nobody approve, and its rules' calls would all expire. */
function checkMembers(value: Raw, add: Add): void {
  const people = isRecord(value.people) ? value.people : {}
  for (const [name, members] of Object.entries(isRecord(people.groups) ? people.groups : {})) {
    const found = Array.isArray(members) ? members.map((one) => (isRecord(one) ? one.lookedUp : undefined)) : []
    if (isRecord(value.channels) && value.channels.teams === undefined && Array.isArray(members)) {
      for (const [at, one] of members.entries()) {
        if (isRecord(one) && one.teamsUser !== undefined) add(['people', 'groups', name, at], WITHOUT_TEAMS)
      }
    }
    for (const [at, member] of found.entries()) {
      const missing = typeof member === 'string' ? missingFor(member, value) : null
      if (missing !== null) add(['people', 'groups', name, at], missing)
    }
    if (found.filter((member) => member !== undefined).length <= LOOKED_UP_MAX) continue
    const cure = `Keep it to ${LOOKED_UP_MAX}, or make one group of them where they are.`
    add(['people', 'groups', name], say(`has more than ${LOOKED_UP_MAX} groups that are looked up`, cure))
  }
}

const WITHOUT_TEAMS = say(
  'is looked up in Teams, and channels.teams is not set',
  'Configure channels.teams, or list the e-mail addresses.',
)

function missingFor(member: string, { people, channels, identity }: Raw): string | null {
  const [directory = '', named = ''] = /^([^:]+):(.*)$/s.exec(member)?.slice(1) ?? []
  if (directory === 'okta') {
    if (isRecord(people) && people.okta !== undefined) return null
    const cure = 'Add people.okta: { url: https://example.okta.com, token: … }, the token from the environment.'
    return say('is looked up in Okta, and people.okta is not set', cure)
  }
  if (directory === 'idp') {
    const issuers = isRecord(identity) && Array.isArray(identity.issuers) ? identity.issuers : []
    const issuer = named.includes('|') ? named.slice(0, named.indexOf('|')) : null
    if (issuer === null || issuers.some((one) => isRecord(one) && one.issuer === issuer)) return null
    return say('names an issuer that identity.issuers does not have', 'Copy it from there, or leave it and the | out.')
  }
  if (directory === 'teams' || directory === 'entra') {
    const teams = isRecord(channels) ? channels.teams : undefined
    if (!isRecord(teams)) return WITHOUT_TEAMS
    if (directory === 'teams' || teams.graph === true) return null
    const cure = 'Set it, with an administrator’s consent; or name the members of a team: teams:team:19:…@thread.tacv2.'
    return say('needs channels.teams.graph: true', cure)
  }
  if (!isRecord(channels) || channels.slack === undefined) {
    const cure = 'Configure channels.slack, or list the e-mail addresses.'
    return say('is looked up in Slack, and channels.slack is not set', cure)
  }
  if (directory === 'slack') return null
  const names = Object.keys(workspacesIn(channels.slack))
  if (names.includes(directory.slice('slack/'.length))) return null
  const cure = 'Write slack:… for the workspace of channels.slack, or name the other one in channels.slack.workspaces.'
  return say(
    'names a workspace that channels.slack does not have',
    names.length === 0
      ? cure
      : suggestion(
          directory,
          names.map((name) => `slack/${name}`),
        ),
  )
}

/** Those that are not left empty. */
function workspacesIn(slack: unknown): Raw {
  const all = isRecord(slack) && isRecord(slack.workspaces) ? slack.workspaces : {}
  return Object.fromEntries(Object.entries(all).filter(([, item]) => item !== undefined))
}

function checkSlack(value: Raw, add: Add): void {
  if (value.signingSecret === '' && value.appToken === '') {
    const cure = 'Set signingSecret for HTTP events, or appToken for Socket Mode.'
    add(['signingSecret'], say('is missing, and so is appToken', cure))
  }
  if (typeof value.apiUrl === 'string' && URL.canParse(value.apiUrl) && !isSecure(new URL(value.apiUrl), true)) {
    add(['apiUrl'], say('must be https', 'Use https; http only on loopback.'))
  }
  // One token is one workspace: two names for it would post each card twice, and be two askers about its people.
  const seen = new Map<unknown, string>([[value.botToken, 'channels.slack']])
  for (const [name, item] of Object.entries(workspacesIn(value))) {
    const token = isRecord(item) ? item.botToken : undefined
    if (typeof token !== 'string' || token === '') continue
    const first = seen.get(token)
    if (first === undefined) seen.set(token, name)
    else add(['workspaces', name, 'botToken'], say(`is the token of ${first} too`, SAME_TOKEN_CURE))
  }
}

const SAME_TOKEN_CURE = 'Install the app in this workspace and copy its own token, or remove the entry.'

/** Text and mappings with nothing in them. */
function areEmpty(value: Readonly<Record<string, unknown>>): boolean {
  return Object.values(value).every((item) => item === '' || (isRecord(item) && areEmpty(item)))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
