/**
 * Whether somebody may review as Teams knows them. A decision counts only for a full member of the organisation's own
 * tenant: guests, people of other tenants, anonymous ones and bots are refused before the review, because who is in a
 * team is wider than the trust put in it.
 *
 * Entra has several addresses of a person, and agents' tokens carry one or another. One of them, by the settings, is the
 * person's: it makes them a member of a group, and finds their agents. All of them keep a person from approving for
 * themselves; see Reviewer.otherAddresses. `otherMails` is none of them: people write those themselves.
 */
import { z } from 'zod'
import { isEmail } from '../../src/config/fields.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import { BOT, DEACTIVATED, GUEST, refused, strangerTo, type WhoClicked, withoutAddress } from '../chat/who-clicked.ts'
import type { TeamsUser } from './feature.ts'
import type { TeamsMember } from './transport.ts'

export const CHAT = 'Teams'

export type Ours = Pick<TeamsSettings, 'tenantId' | 'email'>

/** Why the connector's answer about somebody who acted is none that counts; null member: not in that conversation. */
export function refusalOfActor(member: TeamsMember | null, user: TeamsUser, ours: Ours): string | null {
  // Of another person than was asked about, nothing that follows would be true.
  if (member === null || member.mri !== user.mri || member.oid.toLowerCase() !== user.oid) return strangerTo(CHAT)
  return user.tenantId === ours.tenantId ? refusalOf(member, ours) : OUTSIDER
}

/** One of a conversation's members, by what the connector says alone. */
export function judgeMember(member: TeamsMember, ours: Ours): WhoClicked {
  const refusal = refusalOf(member, ours)
  if (refusal !== null) return refused(refusal)
  return known(member.oid, { ...member, mail: member.email, further: [] }, ours)
}

/** The same, where nobody is to be told why not. */
export function reviewerOf(member: TeamsMember, ours: Ours): Reviewer | null {
  const who = judgeMember(member, ours)
  return who.ok ? who.reviewer : null
}

const OUTSIDER = 'Only members of this organisation can review.'

function refusalOf({ mri, oid, tenantId, email, userPrincipalName, userRole }: TeamsMember, ours: Ours): string | null {
  if (mri.startsWith('28:')) return BOT
  if (!GUID.test(oid)) return OUTSIDER
  if (userRole === 'guest' || isGuestName(userPrincipalName) || isGuestName(email)) return GUEST
  if (tenantId?.toLowerCase() !== ours.tenantId) return OUTSIDER
  if (userRole === 'user') return null
  // Where the connector leaves the role out, the sign-in name alone tells a guest.
  return userRole === null && userPrincipalName !== null ? null : OUTSIDER
}

const GUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** learn.microsoft.com/entra/external-id/user-properties: a guest's sign-in name holds `#EXT#`. */
function isGuestName(name: string | null): boolean {
  return name?.toUpperCase().includes('#EXT#') ?? false
}

/** What is asked of Graph about a person. learn.microsoft.com/graph/api/resources/user */
export const USER_FIELDS = 'id,displayName,accountEnabled,userType,mail,userPrincipalName,proxyAddresses'

export const GraphUser = z.object({
  id: z.guid().transform((id) => id.toLowerCase()),
  displayName: z.string().nullish(),
  accountEnabled: z.boolean().nullish(),
  userType: z.string().nullish(),
  mail: z.string().nullish(),
  userPrincipalName: z.string().nullish(),
  proxyAddresses: z.array(z.string()).nullish(),
})
export type GraphUser = z.output<typeof GraphUser>

/** Graph's answer about the person of this object id; null: it knows nobody of it. */
export function judgeUser(user: GraphUser | null, oid: string, ours: Ours): WhoClicked {
  if (user === null || user.id !== oid) return refused(strangerTo('Entra'))
  const { displayName, accountEnabled, userType, mail = null, userPrincipalName = null, proxyAddresses } = user
  if (accountEnabled !== true) return refused(DEACTIVATED)
  if (userType !== 'Member' || isGuestName(userPrincipalName)) return refused(GUEST)
  const name = displayName || userPrincipalName || oid
  // `SMTP:` is the main one, `smtp:` an alias; `SIP:`, `X500:` and others are no mail.
  const further = (proxyAddresses ?? []).flatMap((address) => /^smtp:(.*)$/i.exec(address)?.[1] ?? [])
  return known(oid, { name, mail, userPrincipalName, further }, ours)
}

interface Addresses {
  readonly name: string
  readonly mail: string | null
  readonly userPrincipalName: string | null
  readonly further: readonly string[]
}

function known(oid: string, { name, mail, userPrincipalName, further }: Addresses, ours: Ours): WhoClicked {
  const own = ours.email === 'mail' ? mail : userPrincipalName
  if (own === null || !isEmail(own)) {
    return refused(
      withoutAddress('Entra', ours.email === 'mail' ? 'e-mail address' : 'sign-in name that is an address'),
    )
  }
  const reviewer = { id: `teams:${ours.tenantId}:${oid.toLowerCase()}`, email: own.toLowerCase(), name }
  return { ok: true, reviewer: withAddresses(reviewer, [mail, userPrincipalName, ...further]) }
}

/** Aliases of one mailbox; Exchange allows 300 and more. */
const ADDRESSES_MAX = 400

/** The same person, with what else is known of their addresses. */
export function withAddresses(reviewer: Reviewer, further: readonly (string | null)[]): Reviewer {
  const { id, email, name, otherAddresses = [] } = reviewer
  const all = [...otherAddresses, ...further].flatMap((one) => (one === null || one === '' ? [] : [one.toLowerCase()]))
  const others = [...new Set(all)].filter((address) => address !== email)
  // With fewer of them somebody could approve for themselves.
  if (others.length > ADDRESSES_MAX) throw new Error('a person with too many addresses to compare them all')
  return { id, email, name, ...(others.length > 0 && { otherAddresses: others }) }
}
