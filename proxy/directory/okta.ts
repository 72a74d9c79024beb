/**
 * Who is in a group of Okta, by Okta's Groups API (developer.okta.com, "Groups"). It stands here, beside the other code that
 * asks the identity provider who somebody is (proxy/authenticate): `src` reaches no network, `bots` speak to people, and
 * `jobs` to Redis.
 *
 *   okta:DBA                    the group of exactly this name
 *   okta:00g1emaKYZTWRYYRRTSK   the group with this id, where several have the name
 *
 * People are found by e-mail address or login, and only those whose status is ACTIVE: somebody who is suspended,
 * locked out or has yet to accept is in the group, and may not sign in anywhere else either.
 */
import { z } from 'zod'
import type { OktaSettings } from '../../src/config/settings.ts'
import { LookUps } from '../../src/people/look-ups.ts'
import type { Clock, GroupSource, Log } from '../../src/ports.ts'

const PREFIX = 'okta:'
/** Groups of people.groups that are kept; the settings name no more than a few. */
const GROUPS_CACHED_MAX = 200
/** Okta recommends no more: larger pages are slower and may be inaccurate. */
const PAGE_MAX = 200
/** Fifty pages: with more people in it, a group names no reviewers but everybody. */
const MEMBERS_MAX = 10_000
/** A user with all of a profile's fields is about 3 KB, so a page is well below. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024
/** One question; Okta answers within a second. */
const ANSWER_TIMEOUT_MS = 5_000
/** All of a group's pages: who waits has long been told, and the answer serves whoever comes next. */
const GROUP_TIMEOUT_MS = 30_000
/** Where a 429 does not say when the limit is over, and the most that is believed: Okta's limits are per minute. */
const LIMIT_DEFAULT_MS = 10_000
const LIMIT_MAX_MS = 120_000

/** What went wrong, as a word for the log and for `doctor`; the message is for people and holds nothing of the answer. */
class OktaFault extends Error {
  override readonly name = 'OktaFault'
  readonly code: keyof typeof CURES
  constructor(code: keyof typeof CURES, options?: { cause?: unknown }) {
    super(`Okta: ${code}`, options)
    this.code = code
  }
}

const CURES = {
  unreachable: 'Check people.okta.url and the network.',
  unauthorized: 'Make a new API token (Security → API → Tokens) for people.okta.token; unused ones end after 30 days.',
  forbidden: 'Give the token’s user a role that may read groups and users, or the token the scope okta.groups.read.',
  rate_limited: 'Okta’s limit for this API is used up; it answers again within a minute.',
  group_not_found: 'Write the group’s name exactly as Okta shows it, capitals too.',
  group_ambiguous:
    'Several groups have this name. Write the group’s id instead, as its address in Okta shows it: okta:00g….',
  too_many_members: `The group has more than ${MEMBERS_MAX} members. Name a group of reviewers instead.`,
  bad_answer: 'Check people.okta.url: what answers there is not Okta’s API.',
} as const

export function createOktaGroups(
  okta: OktaSettings,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): GroupSource {
  const ask = createAsk(okta, clock)
  const groups = new LookUps({
    ask: (member) => membersOf(ask, member.slice(PREFIX.length)),
    max: GROUPS_CACHED_MAX,
    clock,
  })
  return {
    knows: (member) => member.startsWith(PREFIX),
    async isMember(reviewer, member, { maxAgeMs, patienceMs }) {
      if (reviewer.email === null) return false
      try {
        const { people } = await groups.get(member, { maxAgeMs, patience: AbortSignal.timeout(patienceMs) })
        return people.has(reviewer.email.toLowerCase())
      } catch (error) {
        const code = error instanceof OktaFault ? error.code : error instanceof Error ? error.name : 'unknown'
        log.error('okta did not say who is in a group', { about: member, error: code })
        throw error
      }
    },
    async examine(member) {
      try {
        const { count } = await membersOf(ask, member.slice(PREFIX.length))
        return { ok: true, detail: count === 1 ? '1 active person' : `${count} active people`, cure: null }
      } catch (error) {
        const code = error instanceof OktaFault ? error.code : 'unreachable'
        return { ok: false, detail: `cannot be looked up: ${code}`, cure: CURES[code] }
      }
    },
  }
}

// ---- what Okta says

interface Members {
  /** Lower-cased e-mail addresses and logins. */
  readonly people: ReadonlySet<string>
  readonly count: number
}

const Groups = z.array(z.object({ id: z.string(), profile: z.object({ name: z.string() }) }))
const Users = z.array(
  z.object({ status: z.string(), profile: z.object({ login: z.string(), email: z.string().nullish() }) }),
)

/** Okta's ids of groups: `00g` and seventeen letters and digits. */
const GROUP_ID = /^00g[A-Za-z0-9]{17}$/

async function membersOf(ask: Ask, group: string): Promise<Members> {
  const signal = AbortSignal.timeout(GROUP_TIMEOUT_MS)
  const id = GROUP_ID.test(group) ? group : await idOf(ask, group, signal)
  const people = new Set<string>()
  let count = 0
  let page: string | null = `/api/v1/groups/${encodeURIComponent(id)}/users?limit=${PAGE_MAX}`
  for (let seen = 0; page !== null; ) {
    const answer = await ask(page, signal)
    const users = parsed(Users, answer.body)
    seen += users.length
    if (seen > MEMBERS_MAX) throw new OktaFault('too_many_members')
    for (const { status, profile } of users) {
      if (status !== 'ACTIVE') continue
      count += 1
      people.add(profile.login.toLowerCase())
      if (profile.email) people.add(profile.email.toLowerCase())
    }
    page = answer.next
  }
  return { people, count }
}

/** `q` finds by the beginning of a name; groups imported from elsewhere may share one. */
async function idOf(ask: Ask, name: string, signal: AbortSignal): Promise<string> {
  const { body } = await ask(`/api/v1/groups?q=${encodeURIComponent(name)}&limit=${PAGE_MAX}`, signal)
  const [first, second] = parsed(Groups, body).filter(({ profile }) => profile.name === name)
  if (first === undefined) throw new OktaFault('group_not_found')
  // Whoever may import groups could otherwise make reviewers by naming one alike.
  if (second !== undefined) throw new OktaFault('group_ambiguous')
  return first.id
}

function parsed<Shape>(schema: z.ZodType<Shape>, body: unknown): Shape {
  const read = schema.safeParse(body)
  if (!read.success) throw new OktaFault('bad_answer')
  return read.data
}

// ---- how Okta is asked

type Ask = (
  pathAndQuery: string,
  signal: AbortSignal,
) => Promise<{ readonly body: unknown; readonly next: string | null }>

function createAsk({ url, token, scheme }: OktaSettings, clock: Clock): Ask {
  let notBefore = 0
  return async (pathAndQuery, signal) => {
    if (clock.now() < notBefore) throw new OktaFault('rate_limited')
    const address = new URL(pathAndQuery, url)
    const response = await fetch(address, {
      // The token must not follow a redirect to another host.
      redirect: 'error',
      headers: {
        accept: 'application/json',
        // Node 20's Brotli decoder has a flaw without a fix, so nothing is to be inflated.
        'accept-encoding': 'identity',
        authorization: `${scheme} ${token.reveal()}`,
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
    }).catch((cause: unknown) => {
      throw new OktaFault('unreachable', { cause })
    })
    try {
      if (response.status === 429) notBefore = clock.now() + waitMsOf(response.headers, clock)
      if (response.status !== 200) throw new OktaFault(FAULTS[response.status] ?? 'unreachable')
      if (response.headers.has('content-encoding')) throw new OktaFault('bad_answer')
      return { body: await readJson(response), next: nextOf(response.headers.get('link'), address) }
    } finally {
      // Nothing is left half-read on a pooled connection; no-op after a whole read.
      if (!response.bodyUsed) await response.body?.cancel()
    }
  }
}

const FAULTS: Readonly<Record<number, keyof typeof CURES>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'group_not_found',
  429: 'rate_limited',
}

/** developer.okta.com, "Rate limit best practices": when the limit is over, in UTC seconds; by Okta's own clock, if it tells. */
function waitMsOf(headers: Headers, clock: Clock): number {
  const resetMs = Number(headers.get('x-rate-limit-reset') ?? Number.NaN) * 1_000
  const theirNow = Date.parse(headers.get('date') ?? '')
  const waitMs = resetMs - (Number.isNaN(theirNow) ? clock.now() : theirNow)
  if (!Number.isFinite(waitMs)) return LIMIT_DEFAULT_MS
  return Math.min(LIMIT_MAX_MS, Math.max(1_000, waitMs))
}

/**
 * RFC 8288 §3, as Okta uses it: the next page's address, of which only path and query are taken, so that the token goes
 * nowhere but to the settings' host. A link to anything but this list is no next page.
 */
function nextOf(link: string | null, asked: URL): string | null {
  const address = /<([^<>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1]
  if (address === undefined) return null
  const next = URL.canParse(address, asked.href) ? new URL(address, asked) : null
  if (next?.pathname !== asked.pathname || next.search === asked.search) throw new OktaFault('bad_answer')
  return `${next.pathname}${next.search}`
}

async function readJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    // Leaving the loop early cancels the body.
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength
      if (size > PAGE_BYTES_MAX) break
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new OktaFault('unreachable', { cause })
  }
  if (size > PAGE_BYTES_MAX) throw new OktaFault('bad_answer')
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new OktaFault('bad_answer')
  }
}
