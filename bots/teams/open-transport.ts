/**
 * The library that the settings choose, and it alone: each of them takes a while and tens of megabytes to load. It is
 * loaded beside the start, which waits for nobody; what is asked before that waits for it.
 */
import type { LibraryParts, TransportParts } from './connector.ts'
import { PUBLIC_CLOUD } from './endpoints.ts'
import type { Transport } from './transport.ts'

export interface OpenedTransport extends Transport {
  /** Resolves when the library is there. */
  ready(): Promise<void>
}

export function openTransport(parts: TransportParts): OpenedTransport {
  const { endpoints } = parts.settings
  const loading = load({ ...parts, endpoints: endpoints ?? PUBLIC_CLOUD })
  // Handled here for a caller that never asks.
  loading.catch(() => undefined)
  return {
    ready: async () => void (await loading),
    verify: async (...args) => (await loading).verify(...args),
    send: async (...args) => (await loading).send(...args),
    update: async (...args) => (await loading).update(...args),
    openPersonal: async (...args) => (await loading).openPersonal(...args),
    member: async (...args) => (await loading).member(...args),
    members: async (...args) => (await loading).members(...args),
    token: async (...args) => (await loading).token(...args),
  }
}

async function load(parts: LibraryParts): Promise<Transport> {
  switch (parts.settings.library) {
    case 'botbuilder':
      return (await import('./botbuilder-transport.ts')).createBotbuilderTransport(parts)
    case 'agents-hosting':
      return (await import('./agents-transport.ts')).createAgentsTransport(parts)
  }
}
