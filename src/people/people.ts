/**
 * Who is in people.groups. By the e-mail address that the channel verified, or by the channel's own id of a person;
 * never by a name, which anybody may choose.
 */

import type { GroupSettings } from '../config/settings.ts'
import type { Reviewer } from '../people/reviewer.ts'
import type { People } from '../ports.ts'

export function peopleOf(groups: ReadonlyMap<string, GroupSettings>): People {
  return {
    isMember: async (reviewer, names) => names.some((name) => isIn(reviewer, name, groups)),
    current: async (reviewer) => reviewer,
  }
}

/** A rule's `from` may name an e-mail address in the place of a group; no group's name has an `@`. */
function isIn(reviewer: Reviewer, name: string, groups: ReadonlyMap<string, GroupSettings>): boolean {
  const email = reviewer.email?.toLowerCase() ?? null
  if (name.includes('@')) return email !== null && email === name.toLowerCase()
  const group = groups.get(name)
  if (group === undefined) return false
  return group.reviewerIds.has(reviewer.id) || (email !== null && group.emails.has(email))
}
