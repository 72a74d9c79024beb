/**
 * One forwarding of an approved call, from its fence on. Nobody forwards it a second time: the upstream may have acted.
 * So whatever becomes of it is kept beside its approval, for the agent that comes back, and for people where nobody knows.
 *
 *   (fence) ──► running ──ended───► finished      its answer is kept for RESULT_LIFE_MS
 *                  └─────lost─────► unknown       its gateway stopped in between
 *                                      ├──ended────────────────────► finished      it was only out of reach
 *                                      ├──resolved (it ran)────────► ran           its answer is lost
 *                                      └──resolved (it did not)────► did_not_run
 *
 * The three right-hand states are final. An end that comes after people have spoken changes nothing here; the recording
 * has it all the same.
 */
import type { CallId } from '../brands.ts'
import type { ErrorCode } from '../errors.ts'
import { unreachable } from '../unreachable.ts'

export type RunState = 'running' | 'finished' | 'unknown' | 'ran' | 'did_not_run'

/** How long an answer, or a denial, waits for an agent that went away: agents retry within seconds or minutes. */
export const RESULT_LIFE_MS = 10 * 60 * 1_000
/** Of an answer that is kept, in bytes. Up to ten thousand may be kept at once, and Redis holds them in memory. */
export const KEPT_ANSWER_BYTES_MAX = 1024 * 1024

/** What the agent gets, for whoever comes back for it. Masked, like everything that an agent sees. */
export type KeptAnswer =
  /** The JSON-RPC response as it was sent; its `id` is the first call's. */
  | { readonly kind: 'message'; readonly json: string }
  /** The gateway's own fault after the fence. */
  | { readonly kind: 'fault'; readonly code: ErrorCode; readonly message: string }
  /** It ran, but its answer was larger than KEPT_ANSWER_BYTES_MAX, or no JSON-RPC message, or left to be fetched. */
  | { readonly kind: 'not_kept' }

/** What became of an approval's one run. */
export type RunEnd =
  | { readonly state: 'finished'; readonly callId: CallId; readonly answer: KeptAnswer }
  | { readonly state: 'unknown' | 'ran' | 'did_not_run'; readonly callId: CallId }
  /** It never began, or its result's life is over. */
  | { readonly state: 'gone' }

export type RunEvent = 'ended' | 'lost' | 'resolved_ran' | 'resolved_did_not_run'

/** Null where the event changes nothing. */
export function afterRunEvent(state: RunState, event: RunEvent): RunState | null {
  switch (event) {
    case 'ended':
      return state === 'running' || state === 'unknown' ? 'finished' : null
    case 'lost':
      return state === 'running' ? 'unknown' : null
    case 'resolved_ran':
      return state === 'unknown' ? 'ran' : null
    case 'resolved_did_not_run':
      return state === 'unknown' ? 'did_not_run' : null
    default:
      return unreachable(event)
  }
}
