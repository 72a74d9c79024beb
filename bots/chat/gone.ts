/** A message that someone deleted, or that the chat lets nobody change or answer any more, stays as it is. */
import { ChannelRefused, type Log, type LogFields } from '../../src/ports.ts'

/** For `catch`: passes over those of the chat's own codes that say so; throws whatever else it is. */
export function isGone(
  codes: ReadonlySet<string>,
  { chat, log, fields }: { readonly chat: string; readonly log: Log; readonly fields: LogFields },
): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ChannelRefused) || !codes.has(error.code)) throw error
    log.warn(`${chat} message is gone; nothing to repaint or answer`, { ...fields, error: error.code })
  }
}
