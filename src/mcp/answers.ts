/**
 * What the agent reads when nothing was forwarded, in words that it can act on. Agents are language models: each text
 * says what happened, that the call did NOT run, and what may be done next.
 */
import type { Approval } from '../approval/approval.ts'
import type { CallId } from '../brands.ts'
import { GatewayError } from '../errors.ts'
import { type Freeze, freezeText, scopeName, whoText } from '../freeze/freeze.ts'
import { editMembers, memberText } from '../json/edit.ts'
import type { JsonObject } from '../json/value.ts'
import type { KeptAnswer } from '../run/run.ts'
import type { Era, RpcId } from './message.ts'

/** Our key in `_meta`, by MCP's naming rules (MCP 2026-07-28 basic/index, "_meta"). */
export const META_DECISION = 'dev.countersign/decision'

/** Why a call was not forwarded: an outcome, never a fault. */
export type Stop =
  | { readonly why: 'denied_by_policy'; readonly rule: string; readonly reason: string | null }
  | { readonly why: 'denied_by_reviewer' | 'expired' | 'cancelled'; readonly approval: Approval }
  | { readonly why: 'refused'; readonly approval: Approval; readonly detail: string }
  /** Of an identical call that was approved and made: see run/run.ts. */
  | {
      readonly why: 'outcome_unknown' | 'answer_lost' | 'answer_not_kept' | 'answer_gone'
      readonly approval: Approval
    }
  /** `isBegun`: it carries on a call that the upstream has begun. */
  | { readonly why: 'frozen'; readonly freeze: Freeze; readonly isBegun: boolean }
  /** The server's question about it; see Continuation in gate/call.ts. */
  | { readonly why: 'answered_already'; readonly approval: Approval }

export function stopText(stop: Stop): string {
  switch (stop.why) {
    case 'denied_by_policy':
      return (
        `Denied by policy rule "${stop.rule}"${stop.reason === null ? '' : `: ${sentence(stop.reason)}`}` +
        `${stop.reason === null ? '.' : ''} The call was NOT executed. Repeating it unchanged will be denied again.`
      )
    case 'denied_by_reviewer':
      return `Denied by a reviewer${reviewerReason(stop.approval)} The call was NOT executed. Do not repeat it unchanged.`
    case 'expired':
      return (
        `Nobody approved the call in time (approval ${stop.approval.id}, rule "${stop.approval.rule}"). ` +
        'The call was NOT executed. Calling again with identical arguments asks again.'
      )
    case 'cancelled':
      return `The approval ${stop.approval.id} was cancelled: ${sentence(stop.approval.cancelReason ?? 'no reason given')} The call was NOT executed.`
    case 'refused':
      return `Approval ${stop.approval.id} was given, but ${stop.detail} The call was NOT executed.`
    case 'frozen':
      return (
        `${freezeText(stop.freeze)} ` +
        (stop.isBegun
          ? 'The answer to the MCP server’s question was NOT sent on; the call may have run in part. '
          : 'The call was NOT executed. ') +
        `Do not repeat it until it is thawed; ask ${whoText(stop.freeze.by)}.`
      )
    case 'outcome_unknown':
      return (
        `It is not known whether the call of approval ${stop.approval.id} ran: the gateway stopped while it was on its ` +
        'way. A reviewer has been asked; do not repeat it until they have said.'
      )
    case 'answer_lost':
      return (
        `The call of approval ${stop.approval.id} ran, as a reviewer found out, but its answer is lost: the gateway ` +
        'stopped while it was on its way. Calling again with identical arguments asks for a second run.'
      )
    case 'answer_not_kept':
      return (
        `The call of approval ${stop.approval.id} ran, but its answer was too large to keep, or no JSON-RPC message. ` +
        'Calling again with identical arguments asks for a second run.'
      )
    // Whoever asks may be the very call that ran, come back late: so nothing is said of a call that was not executed.
    case 'answer_gone':
      return (
        `Approval ${stop.approval.id} was for one run and has been used; how that run ended is kept no longer. ` +
        'Nothing was run again. Calling again with identical arguments asks for a second run.'
      )
    case 'answered_already':
      return (
        `The MCP server's question about the call of approval ${stop.approval.id} was answered before, and each answer ` +
        'is sent once. The call may have run by it, wholly or in part: check, before calling again asks for a second run.'
      )
  }
}

function reviewerReason(approval: Approval): string {
  const denial = approval.reviews.find((review) => review.choice === 'deny')
  return denial?.reason ? `: ${sentence(denial.reason)}` : '.'
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/**
 * A stopped tools/call is a tool result with `isError: true`, so that the model reads it (MCP 2025-11-25 and
 * 2026-07-28 server/tools, "Error Handling"); any other request is a JSON-RPC error.
 */
export function stopAnswer(options: {
  id: RpcId
  era: Era
  isToolCall: boolean
  callId: CallId
  stop: Stop
}): JsonObject {
  const { id, era, isToolCall, callId, stop } = options
  const text = stopText(stop)
  const details: JsonObject = { outcome: stop.why, call_id: callId, ...detailsOf(stop) }
  if (!isToolCall) {
    return { jsonrpc: '2.0', id, error: { code: faultOfStop(stop, text).rpcCode, message: text, data: details } }
  }
  const result: JsonObject = { content: [{ type: 'text', text }], isError: true, _meta: { [META_DECISION]: details } }
  return { jsonrpc: '2.0', id, result: era === 'modern' ? { resultType: 'complete', ...result } : result }
}

function detailsOf(stop: Stop): JsonObject {
  switch (stop.why) {
    case 'denied_by_policy':
      return { rule: stop.rule, reason: stop.reason }
    case 'frozen':
      return { scope: scopeName(stop.freeze.scope), since: stop.freeze.at, reason: stop.freeze.reason }
    default:
      return { rule: stop.approval.rule, approval_id: stop.approval.id }
  }
}

/** Where what was stopped is no tool call, and so has no result. */
export function faultOfStop(stop: Stop, text: string): GatewayError {
  return new GatewayError(stop.why === 'frozen' ? 'frozen' : 'denied_by_policy', text)
}

/** For a client that can't wait any longer: what ran, that nothing is lost, and the way back. */
export function pendingText(approval: Approval): string {
  if (approval.state === 'approved') {
    return (
      `The call of approval ${approval.id} is under way and has no answer yet. ` +
      'Call again with identical arguments to wait for its answer: it is not run a second time.'
    )
  }
  return (
    `NOT executed: approval ${approval.id} is pending (rule "${approval.rule}", ` +
    `until ${new Date(approval.expiresAt).toISOString()}). ` +
    'Call again with identical arguments to wait for it; the question to the reviewers stays open meanwhile.'
  )
}

export function pendingAnswer(options: { id: RpcId; era: Era; callId: CallId; approval: Approval }): JsonObject {
  const { id, era, callId, approval } = options
  const { id: approvalId, rule, expiresAt } = approval
  const details: JsonObject = {
    outcome: 'pending',
    rule,
    call_id: callId,
    approval_id: approvalId,
    expires_at: expiresAt,
  }
  const content = [{ type: 'text', text: pendingText(approval) }]
  const result: JsonObject = { content, isError: true, _meta: { [META_DECISION]: details } }
  return { jsonrpc: '2.0', id, result: era === 'modern' ? { resultType: 'complete', ...result } : result }
}

/** What an identical call was answered, for another of the agent's calls: its own id, and that nothing ran again. */
export function replayedAnswer(options: {
  id: RpcId
  callId: CallId
  approval: Approval
  runCallId: CallId
  answer: Extract<KeptAnswer, { kind: 'message' | 'fault' }>
}): string {
  const { id, callId, approval, runCallId, answer } = options
  const details: JsonObject = { outcome: 'replayed', approval_id: approval.id, call_id: runCallId }
  const decision = JSON.stringify(details)
  if (answer.kind === 'fault') {
    const text = JSON.stringify(faultAnswer(new GatewayError(answer.code, answer.message), id, callId))
    return editMembers(text, ['error', 'data'], { [META_DECISION]: decision })
  }
  const text = editMembers(answer.json, [], { id: JSON.stringify(id) })
  const hasMeta = memberText(text, ['result', '_meta'])?.startsWith('{')
  return hasMeta
    ? editMembers(text, ['result', '_meta'], { [META_DECISION]: decision })
    : editMembers(text, ['result'], { _meta: `{${JSON.stringify(META_DECISION)}:${decision}}` })
}

/** A fault as a JSON-RPC error; without an `id` where it could not be read (MCP 2026-07-28 streamable-http, "Sending Messages"). */
export function faultAnswer(error: GatewayError, id: RpcId | null, callId: CallId | null): JsonObject {
  return {
    jsonrpc: '2.0',
    ...(id === null ? {} : { id }),
    error: {
      code: error.rpcCode,
      message: error.message,
      data: { code: error.code, cure: error.cure, ...(callId === null ? {} : { call_id: callId }) },
    },
  }
}
