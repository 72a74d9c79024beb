/**
 * Runs a delivery once. Slack sends again what it believes lost, and a signed request can be replayed while its
 * signature is fresh; both carry the same body. The state machine makes a second review harmless, but a question would
 * be asked twice, and "deny all" would deny what came since.
 *
 * Within one process this is told at once and without Redis, for all that comes. What a person decides by (a click, a
 * submitted window) is told across replicas and restarts too: see `isFirstAnywhere`. What only asks for a menu's options
 * is none of it: typing the same again sends the same body, and must be answered again.
 *
 * A delivery that failed is forgotten at once, so that a retry may succeed.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../src/ports.ts'
import { createOnce as createSeen } from '../chat/once.ts'
import { SEEN_REQUESTS_MAX, SIGNATURE_AGE_MAX_MS, SIGNATURE_SKEW_MAX_MS } from './limits.ts'

const REMEMBERED_MS = SIGNATURE_AGE_MAX_MS + SIGNATURE_SKEW_MAX_MS

export interface Once {
  /** False where the same body came before. */
  first(body: unknown): boolean
  forget(body: unknown): void
}

export function createOnce(clock: Clock): Once {
  const seen = createSeen({ clock, keptMs: REMEMBERED_MS, keysMax: SEEN_REQUESTS_MAX })
  return { first: (body) => seen.first(digest(body)), forget: (body) => seen.forget(digest(body)) }
}

const DECIDING: readonly unknown[] = ['block_actions', 'view_submission']

export const isQuestion = (body: object): boolean => 'type' in body && body.type === 'block_suggestion'

/**
 * @param isFirst true for the first who names this delivery, on whichever replica. Where the store that knows is away,
 *   nothing can be decided either: then the handler has to say so to the person.
 */
export async function isFirstAnywhere(body: object, isFirst: (delivery: string) => Promise<boolean>): Promise<boolean> {
  if (!('type' in body) || !DECIDING.includes(body.type)) return true
  return isFirst(`body:${digest(body)}`).catch(() => true)
}

function digest(body: unknown): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('base64')
}
