/**
 * Where the demo's OIDC provider keeps its sessions and codes: this process. The provider's own memory store does the
 * same, and warns on the console each time; it is written for production, which this is not.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'

/** A sign-in leaves five; the oldest go first. */
const ENTRIES_MAX = 2_000

export function oidcMemory(): (model: string) => Adapter {
  const entries = new Map<string, AdapterPayload>()
  return (model) => adapterOf(model, entries)
}

function adapterOf(model: string, entries: Map<string, AdapterPayload>): Adapter {
  const key = (id: string) => `${model}:${id}`
  const findBy = async (name: 'uid' | 'userCode', value: string) => {
    for (const [id, entry] of entries) if (id.startsWith(key('')) && entry[name] === value) return entry
    return undefined
  }
  return {
    async upsert(id, payload) {
      entries.set(key(id), payload)
      const [oldest] = entries.keys()
      if (entries.size > ENTRIES_MAX && oldest !== undefined) entries.delete(oldest)
    },
    find: async (id) => entries.get(key(id)),
    findByUid: (uid) => findBy('uid', uid),
    findByUserCode: (userCode) => findBy('userCode', userCode),
    async consume(id) {
      const entry = entries.get(key(id))
      if (entry) entry.consumed = Math.floor(Date.now() / 1000)
    },
    async destroy(id) {
      entries.delete(key(id))
    },
    async revokeByGrantId(grantId) {
      for (const [id, entry] of entries) if (entry.grantId === grantId) entries.delete(id)
    },
  }
}
