/** A person who reviews or asks, as their channel vouches for them. */
import type { ChannelName } from '../policy/decision.ts'

/** A person as a channel verified them. Two reviewers with one e-mail are one person. */
export interface Reviewer {
  /** `slack:<team>:<user>`, `teams:<tenant>:<object id>`, `console:<e-mail>`. */
  readonly id: string
  /** Verified by the channel, lower-cased; null where the channel can't tell. */
  readonly email: string | null
  /** For people to read. Untrusted text. */
  readonly name: string
  /**
   * Further addresses that the channel knows them by, lower-cased: Entra has a mail address, a sign-in name and aliases.
   * For the safe side alone: they keep a person from approving for themselves, or twice, and make nobody a member of a
   * group or the owner of a grant. Left out where there are none.
   */
  readonly otherAddresses?: readonly string[]
}

/** Of one person, lower-cased. */
export function addressesOf({
  email,
  otherAddresses = [],
}: Pick<Reviewer, 'email' | 'otherAddresses'>): readonly string[] {
  return [...(email === null ? [] : [email]), ...otherAddresses].map((address) => address.toLowerCase())
}

/** A person is one person through however many accounts: the same id, or an address in common. */
export function samePerson(a: Reviewer, b: Reviewer): boolean {
  if (a.id === b.id) return true
  const known = addressesOf(b)
  return addressesOf(a).some((address) => known.includes(address))
}

/** A reviewer's id begins with the channel that vouches for them. */
export function channelOf({ id }: Pick<Reviewer, 'id'>): ChannelName {
  return id.startsWith('slack:') ? 'slack' : id.startsWith('teams:') ? 'teams' : 'console'
}
