/** What a session's streams have said, so that a client can come back by Last-Event-ID. Lives as long as its session. */
import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server'

export function createEventStore(): EventStore {
  const events: { readonly stream: string; readonly message: JSONRPCMessage }[] = []
  return {
    storeEvent: async (stream, message) => String(events.push({ stream, message }) - 1),
    async replayEventsAfter(last, { send }) {
      const stream = events[Number(last)]?.stream
      if (stream === undefined) throw new Error(`there is no event ${last}`)
      for (const [id, event] of events.entries()) {
        const isMessage = Object.keys(event.message).length > 0
        if (id > Number(last) && event.stream === stream && isMessage) await send(String(id), event.message)
      }
      return stream
    },
  }
}
