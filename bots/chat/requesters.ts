/**
 * Whom the person behind an agent is, as a chat may find them: by the owner's e-mail address, or, where somebody asked for
 * access, that very account. Where they are reached is the chat's to say, and kept for a moment: a card and what follows it
 * come close together.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Clock } from '../../src/ports.ts'
import { ownerOf } from '../../src/review/review.ts'

export type RequesterName =
  /** In lower case. An owner may be known by a login that is no address: then nobody is asked for. */
  { readonly kind: 'email'; readonly email: string } | { readonly kind: 'reviewer'; readonly id: string }

export interface Requesters<Talk> {
  /** Null: nobody is to be found. Rejects where that can't be told. */
  conversationWith(approval: Approval): Promise<Talk | null>
}

export interface RequestersOptions<Talk> {
  readonly clock: Clock
  /** How long a changed address or role may still count, and how many people are kept. */
  readonly cachedMs: number
  readonly cachedMax: number
  readonly find: (who: RequesterName) => Promise<Talk | null>
}

export function createRequesters<Talk>(options: RequestersOptions<Talk>): Requesters<Talk> {
  const { clock, cachedMs, cachedMax, find } = options
  const known = new Map<string, { readonly talk: Talk; readonly until: number }>()
  return {
    async conversationWith(approval) {
      const who = requesterOf(approval)
      if (who === null) return null
      const key = who.kind === 'email' ? who.email : who.id
      const cached = known.get(key)
      if (cached !== undefined && cached.until > clock.now()) return cached.talk
      known.delete(key)
      const talk = await find(who)
      if (talk === null) return null
      if (known.size >= cachedMax) known.delete(known.keys().next().value ?? '')
      known.set(key, { talk, until: clock.now() + cachedMs })
      return talk
    },
  }
}

function requesterOf(approval: Approval): RequesterName | null {
  if (approval.access !== null) return { kind: 'reviewer', id: approval.access.requester.id }
  const email = ownerOf(approval)?.toLowerCase() ?? null
  return email?.includes('@') ? { kind: 'email', email } : null
}
