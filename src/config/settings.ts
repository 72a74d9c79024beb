/**
 * The settings: read once at start, every problem listed, then frozen. No other file reads the environment.
 *
 * Secrets become `Secret` here, in the step that reads them, so that no log line, error or dump of the settings can
 * show one.
 */
import type { DigestSchedule } from '../audit/week.ts'
import { type ClaimOverrides, type IssuerOptions, isSecure } from '../identity/issuer.ts'
import type { ChannelName } from '../policy/decision.ts'
import { Secret } from '../secret.ts'
import { type Problem, zodProblems } from './problems.ts'
import { type Member, PROCESS_IDLE_MS, PROCESSES_DEFAULT, type SettingsFile, settingsFile } from './settings-file.ts'
import { type Environment, readYaml } from './yaml-file.ts'

export interface Settings {
  readonly gateway: {
    readonly listen: { readonly host: string; readonly port: number }
    /** Without a trailing slash. Tokens name `<publicUrl>/mcp/<upstream>` as audience. */
    readonly publicUrl: string
    readonly maxBodyBytes: number
    readonly allowedOrigins: readonly string[]
  }
  readonly redis: {
    /** May hold a password. Null: the embedded default. */
    readonly url: Secret | null
    readonly keyPrefix: string
  }
  readonly identity: {
    readonly issuers: readonly IssuerOptions[]
    readonly scopes: readonly string[]
    /** Where reviewers sign in, for approvals that a click is not enough for. */
    readonly signIns: readonly SignInSettings[]
  }
  readonly upstreams: ReadonlyMap<string, UpstreamSettings>
  /** As written: relative to the settings file. */
  readonly policy: string
  readonly people: {
    readonly groups: ReadonlyMap<string, GroupSettings>
    readonly okta: OktaSettings | null
    /** `optional`: of whoever has one. */
    readonly passkeys: 'off' | 'optional' | 'required'
    /** Who may freeze and thaw: names of groups. Null: everyone may freeze, and thawing takes a shell. */
    readonly operators: readonly string[] | null
  }
  readonly channels: {
    readonly slack: SlackSettings | null
    readonly teams: TeamsSettings | null
    readonly console: { readonly enabled: boolean; readonly reviewer: string | null }
  }
  readonly recordings: {
    /** As written: relative to the settings file. */
    readonly directory: string
    readonly sync: 'group' | 'always'
    readonly maxSegmentBytes: number
    /** When the channel for summaries is told of the week before; null: never. */
    readonly digest: DigestSchedule | null
  }
  readonly holds: {
    /** How long one request of a held call waits before its client gets an answer that brings it back. */
    readonly defaultBudgetMs: number
    /** The same for one client: by its `clientInfo.name`, in lower case. */
    readonly budgets: ReadonlyMap<string, number>
    /** How many open approvals one principal may have; a further one is refused, and asks nobody. */
    readonly maxPerAgent: number
  }
  readonly sessions: { readonly idleMs: number }
  readonly shutdown: { readonly drainMs: number }
}

/** The gateway as a client of an issuer (OpenID Connect, authorization code with PKCE). */
export interface SignInSettings {
  readonly issuer: string
  readonly clientId: string
  /** Null: a public client. */
  readonly clientSecret: Secret | null
  readonly scopes: readonly string[]
  readonly algorithms: readonly string[] | undefined
  readonly claims: ClaimOverrides | undefined
  readonly allowInsecureLoopbackIssuer: boolean
}

export type UpstreamSettings = HttpUpstreamSettings | StdioUpstreamSettings

export interface HttpUpstreamSettings {
  readonly kind: 'http'
  readonly name: string
  readonly url: string
  readonly credential: HeaderCredential | null
}

/** An MCP server that the gateway starts itself and speaks to over its standard streams. */
export interface StdioUpstreamSettings {
  readonly kind: 'stdio'
  readonly name: string
  /** The program, then its arguments, as they are: no shell reads them. */
  readonly command: readonly [string, ...string[]]
  /** As written: relative to the settings file. Null: the settings file's directory. */
  readonly cwd: string | null
  /** Not printed, since people put secrets anywhere; but only the credential's is masked in answers. */
  readonly env: ReadonlyMap<string, Secret>
  readonly spawn: 'per_session' | 'shared'
  readonly idleMs: number
  readonly maxProcesses: number
  readonly credential: EnvironmentCredential | null
}

export type StaticCredential = HeaderCredential | EnvironmentCredential

export interface HeaderCredential {
  readonly kind: 'static'
  /** Lower case. */
  readonly header: string
  /** Null: the header holds the secret alone. */
  readonly scheme: string | null
  readonly secret: Secret
}

export interface EnvironmentCredential {
  readonly kind: 'static'
  /** The variable that holds it, of an upstream that is started. */
  readonly env: string
  readonly secret: Secret
}

export interface GroupSettings {
  /** Lower case. */
  readonly emails: ReadonlySet<string>
  /** As channels make them: `slack:<team>:<user>`, `teams:<tenant>:<object id>`. */
  readonly reviewerIds: ReadonlySet<string>
  /** Groups elsewhere, as written: `slack:usergroup:S012AB`, `okta:DBA`, `idp:dba`. */
  readonly lookedUp: readonly string[]
}

export interface OktaSettings {
  /** Scheme and host alone. */
  readonly url: string
  readonly token: Secret
  /** What stands before it in Authorization: Okta's own API tokens are `SSWS`, OAuth's are `Bearer`. */
  readonly scheme: 'SSWS' | 'Bearer'
}

export interface SlackSettings {
  readonly botToken: Secret
  /** Null only in Socket Mode, where Slack signs nothing. */
  readonly signingSecret: Secret | null
  /** Set: Socket Mode. Null: events over HTTP. */
  readonly appToken: Secret | null
  readonly approvals: string
  readonly summaries: string
  /** Null: Slack's own. */
  readonly apiUrl: string | null
  /** Further ones that the same app is installed in, by the names that a policy calls them (`slack/acme`). */
  readonly workspaces: ReadonlyMap<string, SlackWorkspaceSettings>
}

export interface SlackWorkspaceSettings {
  readonly botToken: Secret
  readonly approvals: string
  /** Null: told in the summaries of channels.slack alone. */
  readonly summaries: string | null
}

export interface TeamsSettings {
  /** Of the bot's app registration in Entra; lower-case GUIDs. */
  readonly appId: string
  readonly tenantId: string
  readonly appType: 'SingleTenant' | 'UserAssignedMSI'
  /** Null only with a managed identity. */
  readonly appPassword: Secret | null
  /** Ids of the conversations for cards and for summaries: `19:…@thread.tacv2`. */
  readonly approvals: string
  readonly summaries: string
  /** Which library speaks the protocol; see bots/teams/transport.ts. */
  readonly library: 'botbuilder' | 'agents-hosting'
  /**
   * Which of Entra's addresses is the person's: the one that their agents' tokens carry. Tokens of Entra itself carry the
   * sign-in name (`preferred_username`, `upn`) unless the app asks for the claim `email`; those of Okta and others mostly the
   * mail address. By it they are members of a group and find their agents; a wrong choice lets nobody approve for
   * themselves, since all of a person's addresses count for that.
   */
  readonly email: 'mail' | 'userPrincipalName'
  /** The app may read people, groups and the channel's messages by Microsoft Graph. */
  readonly graph: boolean
  /** Another cloud's, or a test's; null: the public cloud's. */
  readonly endpoints: TeamsEndpoints | null
}

/** Without a trailing slash. */
export interface TeamsEndpoints {
  /** `https://login.microsoftonline.com` */
  readonly login: string
  /** `https://login.botframework.com/v1/.well-known/openidconfiguration` */
  readonly openIdMetadata: string
  /** Of the connector's tokens: `https://api.botframework.com`. */
  readonly issuer: string
  /** What the bot asks a token for: `https://api.botframework.com/.default`. */
  readonly scope: string
  /** `https://graph.microsoft.com` */
  readonly graph: string
  /** Origins at which the connector may answer: `https://smba.trafficmanager.net`. */
  readonly connectors: readonly string[]
}

/** In which people can be asked, those that the settings name first at first. */
export function channelNames({ channels }: Settings): readonly ChannelName[] {
  return [
    ...(channels.slack ? (['slack'] as const) : []),
    ...(channels.teams ? (['teams'] as const) : []),
    ...(channels.console.enabled ? (['console'] as const) : []),
  ]
}

export type ParsedSettings =
  | { readonly ok: true; readonly settings: Settings; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** `file` is the settings file's name for messages; nothing is read from the disk here. */
export function parseSettings(
  text: string,
  from: { readonly env: Environment; readonly file: string },
): ParsedSettings {
  const yaml = readYaml(text, { env: from.env })
  if (!yaml.ok) return yaml
  if (yaml.value === null) return { ok: false, problems: [emptyFile(from.file)] }
  const parsed = settingsFile.safeParse(yaml.value)
  if (!parsed.success) return { ok: false, problems: zodProblems(parsed.error, yaml.lineOf) }
  const settings = build(parsed.data)
  return { ok: true, settings, warnings: warningsAbout(settings, yaml.lineOf) }
}

function emptyFile(file: string): Problem {
  return { path: '', line: null, message: `${file} is empty`, cure: 'Start from the example in the README.' }
}

function build(file: SettingsFile): Settings {
  return deepFreeze({
    gateway: buildGateway(file.gateway),
    redis: { url: file.redis.url === '' ? null : new Secret(file.redis.url), keyPrefix: file.redis.keyPrefix },
    identity: {
      issuers: file.identity.issuers.map(buildIssuer),
      scopes: file.identity.scopes,
      signIns: file.identity.issuers.flatMap(buildSignIn),
    },
    upstreams: frozenMap(Object.entries(file.upstreams).map(([name, item]) => [name, buildUpstream(name, item)])),
    policy: file.policy,
    people: {
      groups: frozenMap(
        Object.entries(file.people.groups).map(([name, list]) => [
          name,
          buildGroup(list, file.channels.teams?.tenantId),
        ]),
      ),
      okta: buildOkta(file.people.okta),
      passkeys: file.people.passkeys,
      operators: file.people.operators ?? null,
    },
    channels: {
      slack: buildSlack(file.channels.slack),
      teams: buildTeams(file.channels.teams),
      console: buildConsole(file.channels.console),
    },
    recordings: file.recordings,
    holds: {
      defaultBudgetMs: file.holds.defaultBudget,
      maxPerAgent: file.holds.maxPerAgent,
      budgets: frozenMap(Object.entries(file.holds.budgets).map(([name, ms]) => [name.trim().toLowerCase(), ms])),
    },
    sessions: { idleMs: file.sessions.idle },
    shutdown: { drainMs: file.shutdown.drain },
  })
}

function buildGateway(gateway: SettingsFile['gateway']): Settings['gateway'] {
  const { listen, publicUrl, maxBodyBytes, allowedOrigins } = gateway
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon)
  return {
    // Node listens on `::1`, URLs have `[::1]`.
    listen: { host: host.replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) },
    publicUrl: (publicUrl ?? `http://${listen}`).replace(/\/+$/, ''),
    maxBodyBytes,
    allowedOrigins,
  }
}

function buildIssuer(item: SettingsFile['identity']['issuers'][number]): IssuerOptions {
  const { issuer, audience, algorithms, claims, allowInsecureLoopbackIssuer } = item
  const named = Object.entries(claims ?? {}).filter(([, names]) => names !== undefined)
  return { issuer, audience, algorithms, claims: Object.fromEntries(named), allowInsecureLoopbackIssuer }
}

function buildSignIn(item: SettingsFile['identity']['issuers'][number]): SignInSettings[] {
  if (item.signIn === undefined) return []
  const { issuer, algorithms, claims, allowInsecureLoopbackIssuer } = buildIssuer(item)
  const { clientId, clientSecret, scopes } = item.signIn
  return [
    {
      issuer,
      clientId,
      clientSecret: clientSecret === '' ? null : new Secret(clientSecret),
      scopes,
      algorithms,
      claims,
      allowInsecureLoopbackIssuer: allowInsecureLoopbackIssuer === true,
    },
  ]
}

type UpstreamFile = SettingsFile['upstreams'][string]

function buildUpstream(name: string, item: UpstreamFile): UpstreamSettings {
  const [program, ...rest] = item.command ?? []
  if (program !== undefined) return buildStdioUpstream(name, item, [program, ...rest])
  return { kind: 'http', name, url: item.url ?? '', credential: buildHeaderCredential(item.credential) }
}

function buildStdioUpstream(name: string, item: UpstreamFile, command: [string, ...string[]]): StdioUpstreamSettings {
  const { credential } = item
  return {
    kind: 'stdio',
    name,
    command,
    cwd: item.cwd ?? null,
    env: frozenMap(Object.entries(item.env ?? {}).map(([variable, value]) => [variable, new Secret(value)])),
    // A process that two principals shared could tell one what it keeps of the other.
    spawn: item.spawn ?? 'per_session',
    idleMs: item.idle ?? PROCESS_IDLE_MS,
    maxProcesses: item.maxProcesses ?? PROCESSES_DEFAULT,
    credential:
      credential?.env === undefined
        ? null
        : { kind: credential.kind, env: credential.env, secret: new Secret(credential.secret) },
  }
}

function buildHeaderCredential(credential: UpstreamFile['credential']): HeaderCredential | null {
  if (credential === undefined) return null
  const { kind, header = 'authorization', secret } = credential
  // RFC 6750 §2.1 is what MCP servers expect in Authorization; another header has no scheme of its own.
  const scheme = credential.scheme ?? (header.toLowerCase() === 'authorization' ? 'Bearer' : '')
  return { kind, header: header.toLowerCase(), scheme: scheme || null, secret: new Secret(secret) }
}

function buildGroup(members: readonly Member[], tenantId: string | undefined): GroupSettings {
  // Without a tenant the file was refused.
  const ofTeams = members.flatMap((member) => ('teamsUser' in member ? [`teams:${tenantId}:${member.teamsUser}`] : []))

  return {
    emails: new Set(members.flatMap((member) => ('email' in member ? [member.email] : []))),
    reviewerIds: new Set([
      ...members.flatMap((member) => ('reviewerId' in member ? [member.reviewerId] : [])),
      ...ofTeams,
    ]),
    lookedUp: [...new Set(members.flatMap((member) => ('lookedUp' in member ? [member.lookedUp] : [])))],
  }
}

function buildOkta(okta: SettingsFile['people']['okta']): OktaSettings | null {
  return okta === undefined ? null : { url: okta.url, token: new Secret(okta.token), scheme: okta.scheme }
}

function buildSlack(slack: SettingsFile['channels']['slack']): SlackSettings | null {
  if (slack === undefined) return null
  const secret = (value: string) => (value === '' ? null : new Secret(value))
  return {
    botToken: new Secret(slack.botToken),
    signingSecret: secret(slack.signingSecret),
    appToken: secret(slack.appToken),
    approvals: slack.approvals,
    summaries: slack.summaries || slack.approvals,
    apiUrl: slack.apiUrl ?? null,
    workspaces: frozenMap(Object.entries(slack.workspaces).flatMap(buildWorkspace)),
  }
}

type WorkspaceFile = NonNullable<SettingsFile['channels']['slack']>['workspaces'][string]

/** None where it was left empty. */
function buildWorkspace([name, item]: [string, WorkspaceFile]): [string, SlackWorkspaceSettings][] {
  if (item === undefined) return []
  const { botToken, approvals, summaries } = item
  return [[name, { botToken: new Secret(botToken), approvals, summaries: summaries || null }]]
}

function buildTeams(teams: SettingsFile['channels']['teams']): TeamsSettings | null {
  if (teams === undefined) return null
  return {
    ...teams,
    appPassword: teams.appPassword === '' ? null : new Secret(teams.appPassword),
    summaries: teams.summaries || teams.approvals,
    endpoints: teams.endpoints ?? null,
  }
}

function buildConsole(item: SettingsFile['channels']['console']): Settings['channels']['console'] {
  return { enabled: item.enabled, reviewer: item.reviewer ?? null }
}

function warningsAbout(settings: Settings, lineOf: (path: readonly string[]) => number | null): Problem[] {
  const warnings: Problem[] = []
  const warn = (path: readonly string[], message: string, cure: string) =>
    warnings.push({ path: path.join('.'), line: lineOf(path), message, cure })
  const { gateway, channels } = settings
  if (!isSecure(new URL(gateway.publicUrl), true)) {
    warn(
      ['gateway', 'publicUrl'],
      'agents send their tokens over http',
      'Put TLS in front and name its https URL here.',
    )
  }
  if (channels.console.enabled && channels.console.reviewer === null) {
    const cure = 'Set it to your e-mail address: members of people.groups and owners of agents are known by theirs.'
    warn(['channels', 'console', 'reviewer'], 'is not set, so the console can’t tell its reviewer from an owner', cure)
  }
  return warnings
}

/** Plain objects and lists only; a `Secret` has nothing to change. */
function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const item of value instanceof Map ? value.values() : Object.values(value)) deepFreeze(item)
  return Object.freeze(value)
}

/** `Object.freeze` does not keep a Map from changing. */
function frozenMap<Value>(entries: readonly (readonly [string, Value])[]): ReadonlyMap<string, Value> {
  const refuse = () => {
    throw new TypeError('the settings are read once and do not change')
  }
  return Object.assign(new Map(entries), { set: refuse, delete: refuse, clear: refuse })
}
