/** What the gateway has recorded so far, read from the disk while it runs, as anyone can. */
import { isBroken, readSegments } from '../jobs/recording/reader.ts'
import type { AuditEvent } from '../src/audit/events.ts'

export type EventOf<Type extends AuditEvent['type']> = Extract<AuditEvent, { readonly type: Type }>

/** In the order in which they were written. Rejects where the chain is broken. */
export async function recordedEvents(directory: string): Promise<readonly AuditEvent[]> {
  const events: AuditEvent[] = []
  const segments = await readSegments(directory, {}, ({ event }) => void events.push(event))
  if (segments.some(isBroken)) throw new Error(`The chain of the recordings in ${directory} is broken.`)
  return events
}

export function ofType<Type extends AuditEvent['type']>(
  events: readonly AuditEvent[],
  type: Type,
): readonly EventOf<Type>[] {
  return events.filter((event): event is EventOf<Type> => event.type === type)
}
