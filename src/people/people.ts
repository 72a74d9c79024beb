/**
 * Who is in people.groups. By the e-mail address that the channel verified, by the channel's own id of a person, or by
 * what a directory says of either; never by a name, which anybody may choose.
 *
 * Whom the settings name is never looked up, so that they can decide while a directory is away. Where nobody names them,
 * every directory is asked at once, and one yes is enough: a directory that fails is an error only where no other has
 * them, because a reviewer must not depend on one whose group they aren't in.
 */
import type { GroupSettings } from '../config/settings.ts'
import { GatewayError } from '../errors.ts'
import type { GroupSource, LookUpLimits, People, PersonSource } from '../ports.ts'
import { channelOf, type Reviewer } from './reviewer.ts'

/** Slack shows a click as failed after three seconds, and who clicked is looked up before, the review stored after. */
const AT_CLICK: LookUpLimits = { maxAgeMs: 30_000, patienceMs: 1_200 }
/** Now. An agent waits, which has patience; tasks try again by themselves. */
const AT_RUN: LookUpLimits = { maxAgeMs: 0, patienceMs: 8_000 }

export interface Directories {
  readonly groups: readonly GroupSource[]
  readonly persons: readonly PersonSource[]
}

export function peopleOf(groups: ReadonlyMap<string, GroupSettings>, directories: Partial<Directories> = {}): People {
  const { groups: sources = [], persons = [] } = directories
  return {
    async isMember(reviewer, names, when) {
      if (names.some((name) => isListed(reviewer, name, groups))) return true
      const members = new Set(names.flatMap((name) => groups.get(name)?.lookedUp ?? []))
      const limits = when === 'click' ? AT_CLICK : AT_RUN
      return anyHas([...members], (member) => sourceOf(sources, member).isMember(reviewer, member, limits))
    },
    async current(reviewer) {
      const channel = persons.filter((source) => source.knows(reviewer))
      // Slack and Teams can tell who left. Where none of their workspaces or tenants is configured any more, nobody can.
      if (channel.length === 0) return channelOf(reviewer) === 'console' ? reviewer : null
      return firstOf(channel, reviewer)
    },
  }
}

/** A rule's `from` may name an e-mail address in the place of a group; no group's name has an `@`. */
function isListed(reviewer: Reviewer, name: string, groups: ReadonlyMap<string, GroupSettings>): boolean {
  const email = reviewer.email?.toLowerCase() ?? null
  if (name.includes('@')) return email !== null && email === name.toLowerCase()
  const group = groups.get(name)
  if (group === undefined) return false
  return group.reviewerIds.has(reviewer.id) || (email !== null && group.emails.has(email))
}

function sourceOf(sources: readonly GroupSource[], member: string): GroupSource {
  const source = sources.find((one) => one.knows(member))
  if (source === undefined) throw new Error('nothing is configured that knows this group')
  return source
}

/** The first yes counts, however long the others take; a no only when all have said it. */
async function anyHas(members: readonly string[], has: (member: string) => Promise<boolean>): Promise<boolean> {
  const asked = members.map(async (member) => {
    try {
      if (await has(member)) return true
    } catch (cause) {
      throw unavailable(`Whether ${member} has this person`, cause)
    }
    throw NOT_IN_IT
  })
  try {
    return await Promise.any(asked)
  } catch (error) {
    const fault = error instanceof AggregateError ? error.errors.find((one) => one !== NOT_IN_IT) : error
    if (fault === undefined) return false
    throw fault
  }
}

const NOT_IN_IT = new Error('is not in this group')

/** Of several workspaces or tenants one knows the person. */
async function firstOf(channel: readonly PersonSource[], reviewer: Reviewer): Promise<Reviewer | null> {
  const answers = await Promise.allSettled(channel.map((source) => source.current(reviewer, AT_RUN)))
  for (const answer of answers) if (answer.status === 'fulfilled' && answer.value !== null) return answer.value
  const fault = answers.find((answer) => answer.status === 'rejected')
  if (fault !== undefined) throw unavailable(`Whether ${reviewer.id} may still review`, fault.reason)
  return null
}

function unavailable(what: string, cause: unknown): GatewayError {
  return new GatewayError('directory_unavailable', `${what} cannot be looked up right now.`, { cause })
}
