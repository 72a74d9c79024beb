/**
 * Freezing and thawing, as people do it:
 *
 *   freeze   may they? -> durable -> record -> cancel the approvals, take back the grants -> tell people
 *   thaw     may they? -> record -> durable -> tell people
 *
 * A freeze stands before anything else is done, because it must also work while the disk is full; a thaw that can't be
 * recorded does not happen. What is under way at its MCP server is not broken off: that undoes nothing, and nobody would
 * know how it ended. Each step may be done twice: whoever is not sure freezes again.
 */
import type { Approval } from '../approval/approval.ts'
import type { ApprovalId } from '../brands.ts'
import { GatewayError } from '../errors.ts'
import { grantIdOf } from '../grant/grant.ts'
import type { StandingGrant } from '../grant/standing.ts'
import { addressesOf, type Reviewer } from '../people/reviewer.ts'
import type {
  ApprovalStore,
  Clock,
  FreezeDesk,
  FreezeOutcome,
  Freezes,
  Grants,
  Log,
  Notices,
  People,
  Recorder,
  StandingGrants,
} from '../ports.ts'
import { recordCancelled } from '../review/review.ts'
import type { Freeze, FreezeScope } from './freeze.ts'
import { FREEZE_REASON_MAX, freezeText, isFrozenBy, isGrantFrozenBy, scopeName, scopeText, whoText } from './freeze.ts'

/** Whether this person may; a sentence for them where not. Rejects with `directory_unavailable` where nobody can tell. */
export type FreezeAuthority = (
  action: 'freeze' | 'thaw',
  order: { readonly scope: FreezeScope; readonly by: Reviewer },
) => Promise<string | null>

export interface FreezeDeskOptions {
  readonly authority: FreezeAuthority
  readonly freezes: Pick<Freezes, 'add' | 'remove' | 'list'>
  readonly approvals: Pick<ApprovalStore, 'listPending' | 'get' | 'apply' | 'reviewRecorded'>
  readonly grants: Pick<Grants, 'end'>
  /** The approvals whose single-use grants nobody has used yet. */
  readonly listUnused: () => Promise<readonly ApprovalId[]>
  readonly standingGrants: Pick<StandingGrants, 'listActive' | 'end'>
  readonly recorder: Recorder
  readonly notices: Notices
  readonly clock: Clock
  readonly log: Log
}

const GRANTS_PAGE = 100

export function createFreezeDesk(options: FreezeDeskOptions): FreezeDesk {
  return {
    freeze: (order) => freeze(options, order),
    thaw: (order) => thaw(options, order),
  }
}

/**
 * People in chat. Without `people.operators` everyone may stop, which is the safe side, and nobody may start again; and
 * whoever an agent acts for may always stop it.
 */
export function operatorsMay(people: Pick<People, 'isMember'>, operators: readonly string[] | null): FreezeAuthority {
  return async (action, { scope, by }) => {
    if (operators === null) return action === 'freeze' ? null : NO_OPERATORS
    if (action === 'freeze' && scope.kind === 'agent' && addressesOf(by).includes(scope.owner)) return null
    if (await people.isMember(by, operators, 'click')) return null
    const own = action === 'freeze' ? ' You may freeze your own agents.' : ''
    return `Only ${operators.join(', ')} (people.operators) may ${action}.${own}`
  }
}

const NO_OPERATORS =
  'The settings name no people.operators, so nobody may thaw from chat. Whoever runs the gateway can: countersign thaw.'

/** Whoever has a shell with the settings file could as well stop the gateway. */
export const shellMay: FreezeAuthority = async () => null

// ---- freeze

async function freeze(options: FreezeDeskOptions, order: Parameters<FreezeDesk['freeze']>[0]): Promise<FreezeOutcome> {
  const { authority, freezes, clock, recorder, log } = options
  const { scope, by } = order
  const refusal = await authority('freeze', order)
  if (refusal !== null) return { ok: false, message: refusal }
  const reason = order.reason?.trim().slice(0, FREEZE_REASON_MAX) || null
  const asked: Freeze = { scope, by, at: clock.now(), reason }
  const standing = await freezes.add(asked)
  if (standing === null) return { ok: false, message: 'Too many freezes stand. Thaw some, or freeze all.' }
  order.onStanding?.(standing)
  const already = standing.at !== asked.at || standing.by.id !== by.id
  const scopeTold = scopeName(scope)
  log.warn('frozen', { scope: scopeTold, by: by.id, already })
  const failures: string[] = []
  await attempt(options, failures, UNRECORDED, () =>
    recorder.record({ type: 'freeze.frozen', at: asked.at, session_id: null, scope, by, reason, already }, 'synced'),
  )
  const ended = await endAll(options, standing, by, failures)
  await attempt(options, failures, 'People could not be told in the channels', () =>
    options.notices.send(`frozen:${scopeTold}:${standing.at}`, { type: 'frozen', freeze: standing, ended }),
  )
  return { ok: true, freeze: standing, ended, note: failures.length === 0 ? null : `${failures.join('. ')}.` }
}

/** The stop stands, whatever of the rest fails: that is told, and whoever asks again has it tried again. */
async function attempt(
  { log }: FreezeDeskOptions,
  failures: string[],
  sentence: string,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.error('a freeze stands, but was not carried out whole', {
      what: sentence,
      code: error instanceof GatewayError ? error.code : 'internal',
    })
    if (!failures.includes(sentence)) failures.push(sentence)
  }
}

const NOT_ALL_ENDED =
  'Not everything that it stops could be ended: nothing of it passes, and freezing again tries again'
const UNRECORDED = 'It could not be recorded'

/** Each kind by itself, and whatever can't be recorded: what is left open here passes again after a thaw. */
async function endAll(options: FreezeDeskOptions, standing: Freeze, by: Reviewer, failures: string[]) {
  const ended: Ended = { approvals: 0, grants: 0 }
  const each = (work: () => Promise<void>) => attempt(options, failures, NOT_ALL_ENDED, work)
  await each(() => cancelApprovals(options, standing, ended))
  // After the approvals: of one that was approved at the last moment, the grant is there by now.
  await each(() => revokeUnused(options, standing, { ended, failures }))
  await each(() => endStanding(options, standing, { by, ended }))
  return ended
}

interface Ended {
  approvals: number
  grants: number
}

async function cancelApprovals(options: FreezeDeskOptions, standing: Freeze, ended: Ended): Promise<void> {
  const { approvals, recorder, clock } = options
  const reason = `${freezeText(standing)} Ask ${whoText(standing.by)}.`
  for (const approval of (await approvals.listPending()).filter((one) => isFrozenBy(standing.scope, one))) {
    const at = clock.now()
    const applied = await approvals.apply(approval.id, { type: 'cancelled', reason, at })
    if (!applied.ok) continue
    ended.approvals += 1
    // Where this fails it stands among the unrecorded, and a job records it.
    await recordCancelled(recorder, applied.approval, at)
      .then(() => approvals.reviewRecorded(applied.approval))
      .catch(() => undefined)
  }
}

async function revokeUnused(
  options: FreezeDeskOptions,
  { scope }: Freeze,
  { ended, failures }: { readonly ended: Ended; readonly failures: string[] },
): Promise<void> {
  const { approvals, grants, listUnused } = options
  for (const id of await listUnused()) {
    const approval = await approvals.get(id)
    if (approval === null || !isFrozenBy(scope, approval)) continue
    if (!(await grants.end(grantIdOf(id), 'revoked'))) continue
    ended.grants += 1
    await attempt(options, failures, UNRECORDED, () => recordGrantEnd(options, approval))
  }
}

function recordGrantEnd({ recorder, clock }: FreezeDeskOptions, { id, sessionId }: Approval): Promise<void> {
  const ids = { session_id: sessionId, grant_id: grantIdOf(id), approval_id: id } as const
  return recorder.record({ type: 'grant.ended', at: clock.now(), ...ids, state: 'revoked' }, 'written')
}

/** The jobs role records the end of each and what was done under it, whoever ends it. */
async function endStanding(
  options: FreezeDeskOptions,
  { scope }: Freeze,
  { by, ended }: { readonly by: Reviewer; readonly ended: Ended },
): Promise<void> {
  for (const { id } of await standingIn(options, scope)) {
    if ((await options.standingGrants.end(id, { state: 'revoked', by })) !== null) ended.grants += 1
  }
}

/** All of them first: a page whose grants end moves the next one up. */
async function standingIn(
  { standingGrants }: FreezeDeskOptions,
  scope: FreezeScope,
): Promise<readonly StandingGrant[]> {
  const found: StandingGrant[] = []
  for (let offset = 0; ; offset += GRANTS_PAGE) {
    const { grants } = await standingGrants.listActive({ offset, max: GRANTS_PAGE })
    found.push(...grants.filter((grant) => isGrantFrozenBy(scope, grant)))
    if (grants.length < GRANTS_PAGE) return found
  }
}

// ---- thaw

async function thaw(options: FreezeDeskOptions, order: Parameters<FreezeDesk['thaw']>[0]): Promise<FreezeOutcome> {
  const { authority, freezes, recorder, clock, log } = options
  const { scope, by } = order
  const refusal = await authority('thaw', order)
  if (refusal !== null) return { ok: false, message: refusal }
  const standing = (await freezes.list()).find((one) => scopeName(one.scope) === scopeName(scope))
  if (standing === undefined) return { ok: false, message: `Nothing has stopped ${scopeText(scope)}.` }
  const at = clock.now()
  await recorder.record({ type: 'freeze.thawed', at, session_id: null, scope, by }, 'synced')
  // Somebody else was quicker, and has said so.
  const isOurs = await freezes.remove(scope)
  log.warn('thawed', { scope: scopeName(scope), by: by.id, by_us: isOurs })
  const failures: string[] = []
  await attempt(options, failures, 'People could not be told in the channels', () =>
    options.notices.send(`thawed:${scopeName(scope)}:${standing.at}`, { type: 'thawed', scope, by, at }),
  )
  const note = failures.length === 0 ? null : `${failures.join('. ')}.`
  return { ok: true, freeze: null, ended: { approvals: 0, grants: 0 }, note }
}
