/**
 * People and groups of Entra, as Graph tells of them. The app needs two application permissions for it, User.Read.All and
 * GroupMember.Read.All, which an administrator consents to.
 *
 * learn.microsoft.com/graph/api/user-checkmembergroups
 */
import type { Graph } from './graph.ts'
import { GraphFault } from './graph.ts'
import { GraphUser, USER_FIELDS } from './people.ts'

export const PEOPLE_PERMISSIONS = {
  'User.Read.All': 'knows whether somebody still is a member, and all their addresses',
  'GroupMember.Read.All': 'knows who is in the groups that people.groups names',
} as const

export interface Entra {
  /** By object id. Null: there is none. */
  user(oid: string): Promise<GraphUser | null>
  /** Null where nobody has this mail address or sign-in name, and where several have. */
  userByAddress(address: string): Promise<GraphUser | null>
  /** Also by way of a group in the group. */
  isInGroup(oid: string, group: string): Promise<boolean>
  /** Rejects where it is none. */
  group(group: string): Promise<void>
}

export function createEntra(graph: Graph): Entra {
  return {
    user: async (oid) =>
      orNull(async () => parsed(await graph.get(`/v1.0/users/${encodeURIComponent(oid)}?$select=${USER_FIELDS}`))),
    async userByAddress(address) {
      // OData 4.01 §5.1.1.14.1: a quote in a text is written twice.
      const text = `'${address.replaceAll("'", "''")}'`
      const query = new URLSearchParams({
        $filter: `mail eq ${text} or userPrincipalName eq ${text}`,
        $select: USER_FIELDS,
        $top: '2',
      })
      const { value } = await graph.get(`/v1.0/users?${query}`)
      if (!Array.isArray(value)) throw new GraphFault('bad_answer')
      if (value.length !== 1) return null
      const user = parsed(value[0])
      const own = [user.mail, user.userPrincipalName].map((one) => one?.toLowerCase())
      return own.includes(address.toLowerCase()) ? user : null
    },
    async isInGroup(oid, group) {
      const asked = orNull(() =>
        graph.post(`/v1.0/users/${encodeURIComponent(oid)}/checkMemberGroups`, { groupIds: [group] }),
      )
      const { value } = (await asked) ?? { value: [] }
      if (!Array.isArray(value)) throw new GraphFault('bad_answer')
      return value.some((id) => typeof id === 'string' && id.toLowerCase() === group)
    },
    group: async (group) => void (await graph.get(`/v1.0/groups/${encodeURIComponent(group)}?$select=id`)),
  }
}

function parsed(answer: unknown): GraphUser {
  const user = GraphUser.safeParse(answer)
  if (!user.success) throw new GraphFault('bad_answer')
  return user.data
}

async function orNull<Answer>(ask: () => Promise<Answer>): Promise<Answer | null> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof GraphFault && error.status === 404) return null
    throw error
  }
}
