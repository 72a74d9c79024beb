/** A person who reviews or asks, as their channel vouches for them. */
/** A person as a channel verified them. Two reviewers with one e-mail are one person. */
export interface Reviewer {
  /** `slack:<team>:<user>`, `teams:<tenant>:<object id>`, `console:<e-mail>`. */
  readonly id: string
  /** Verified by the channel, lower-cased; null where the channel can't tell. */
  readonly email: string | null
  /** For people to read. Untrusted text. */
  readonly name: string
}

/** A person is one person through however many accounts: the same id, or the same verified e-mail. */
export function samePerson(a: Reviewer, b: Reviewer): boolean {
  return a.id === b.id || (a.email !== null && a.email === b.email)
}
