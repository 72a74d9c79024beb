/** The connector's JSON: what we write, and what we read of its answers. */
import { z } from 'zod'
import type { JsonObject } from '../../src/json/value.ts'
import type { TeamsMember, TeamsMessage } from './transport.ts'

const ADAPTIVE_CARD = 'application/vnd.microsoft.card.adaptive'

export function activityOf(
  { card, summary }: TeamsMessage,
  about: { readonly conversationId: string; readonly from: string; readonly onlyTo: string | null },
): JsonObject {
  const words: JsonObject =
    card === null
      ? // Teams renders markdown and HTML where the format is left open.
        { text: summary, textFormat: 'plain' }
      : { summary, attachments: [{ contentType: ADAPTIVE_CARD, content: card }] }
  return {
    type: 'message',
    channelId: 'msteams',
    from: { id: about.from },
    conversation: { id: about.conversationId },
    ...(about.onlyTo === null ? {} : { recipient: { id: about.onlyTo, isTargeted: true } }),
    ...words,
  }
}

const Id = z.object({ id: z.string().min(1).max(500) })

/** Throws where the answer names none: then nobody knows which message it was. */
export const messageIdIn = (answer: unknown): string => Id.parse(answer).id
export const conversationIdIn = (answer: unknown): string => Id.parse(answer).id

const text = z.string().min(1).nullish().catch(null)
/** Also called `objectId` where the roster is read by pages. */
const Member = z.object({
  id: z.string().min(1),
  aadObjectId: z.guid().nullish().catch(null),
  objectId: z.guid().nullish().catch(null),
  tenantId: text,
  name: text,
  email: text,
  userPrincipalName: text,
  userRole: text,
})
const Page = z.object({ members: z.array(z.unknown()), continuationToken: text })

/** Null: nobody whom Entra knows; another bot, somebody anonymous. */
export function memberIn(answer: unknown): TeamsMember | null {
  const parsed = Member.safeParse(answer)
  if (!parsed.success) return null
  const { id, aadObjectId, objectId, tenantId, name, email, userPrincipalName, userRole } = parsed.data
  const oid = aadObjectId ?? objectId
  if (oid === null || oid === undefined) return null
  return {
    ...{ mri: id, oid: oid.toLowerCase(), tenantId: tenantId?.toLowerCase() ?? null, name: name ?? '' },
    ...{ email: email ?? null, userPrincipalName: userPrincipalName ?? null, userRole: userRole ?? null },
  }
}

export function membersIn(answer: unknown): {
  readonly members: readonly TeamsMember[]
  readonly continuationToken: string | null
} {
  const { members, continuationToken } = Page.parse(answer)
  return {
    members: members.map(memberIn).filter((member) => member !== null),
    continuationToken: continuationToken ?? null,
  }
}
