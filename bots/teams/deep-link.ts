/**
 * An address that opens a message in Teams.
 * learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/deep-link-teams, "Deep link to a channel message"
 */
import type { Conversation } from '../../src/ports.ts'

/** Null: in a cloud whose client's address we don't know. */
export function linkToMessage(
  { id, kind, tenantId, teamGroupId }: Conversation,
  messageId: string,
  { isPublicCloud }: { readonly isPublicCloud: boolean },
): string | null {
  if (!isPublicCloud) return null
  const link = new URL(
    `https://teams.microsoft.com/l/message/${encodeURIComponent(id)}/${encodeURIComponent(messageId)}`,
  )
  link.searchParams.set('tenantId', tenantId)
  if (kind === 'channel') {
    if (teamGroupId !== null) link.searchParams.set('groupId', teamGroupId)
    link.searchParams.set('parentMessageId', messageId)
  } else link.searchParams.set('context', '{"contextType":"chat"}')
  return link.href
}
