/**
 * The library that the settings choose, and it alone: each of them takes a while and tens of megabytes to load. It is
 * loaded when it is first asked for anything, beside a start that waits for nobody.
 */
import type { LibraryParts, TransportParts } from './connector.ts'
import { PUBLIC_CLOUD } from './endpoints.ts'
import type { Transport } from './transport.ts'

export interface OpenedTransport extends Transport {
  /** Resolves when the library is there. */
  ready(): Promise<void>
}

export function openTransport(parts: TransportParts): OpenedTransport {
  let loading: Promise<Transport> | null = null
  const loaded = () => {
    loading ??= load({ ...parts, endpoints: parts.settings.endpoints ?? PUBLIC_CLOUD })
    return loading
  }
  return {
    ready: async () => void (await loaded()),
    verify: async (...args) => (await loaded()).verify(...args),
    send: async (...args) => (await loaded()).send(...args),
    update: async (...args) => (await loaded()).update(...args),
    openPersonal: async (...args) => (await loaded()).openPersonal(...args),
    member: async (...args) => (await loaded()).member(...args),
    members: async (...args) => (await loaded()).members(...args),
    token: async (...args) => (await loaded()).token(...args),
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
