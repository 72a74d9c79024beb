/** The real desk over a store in memory, one upstream with a few tools, and the policy that a test gives. */
import { createAccessDesk } from '../../src/access/desk.ts'
import type { Approval } from '../../src/approval/approval.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { GrantId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { AccessDesk, OpenedHold } from '../../src/ports.ts'
import { createMemoryApprovalStore, type MemoryApprovalStore } from './memory-approval-store.ts'
import { load } from './policies.ts'
import { randomIds } from './random-ids.ts'

export const ACCESS_POLICY = `
version: 1
rules:
  - { id: off-limits, match: { tool: drop_table }, effect: deny }
  - { id: writes, match: { tool: ["write_*", "move_*"] }, effect: require_approval }
  - { id: reads, match: { tool: "read_*" }, effect: allow }
access:
  - id: reading
    match: { upstream: files, tool: "read_*" }
  - id: writing
    match: { upstream: files, tool: [write_file, edit_file, drop_table] }
    longest: 4h
    approval: { from: dba, quorum: 2, deadline: 1h }
    reason: "Two of the DBAs say yes."
  - id: editors-all
    match: { upstream: files, tool: "*" }
    for: editors
    longest: 1d
`

export interface DeskRig {
  readonly desk: AccessDesk
  readonly approvals: MemoryApprovalStore
  readonly events: readonly AuditEvent[]
  readonly grants: Map<GrantId, StandingGrant>
  /** Ids that `runs.delivered` heard of. */
  readonly forgotten: readonly string[]
  now: number
  /** The next identical request finds this. */
  opened: ((approval: Approval) => OpenedHold) | null
  fault: 'listing' | 'recording' | 'too_many' | null
}

export const TOOLS = ['read_file', 'read_log', 'write_file', 'edit_file', 'move_file', 'drop_table']

export function createDeskRig(
  options: {
    readonly policy?: string
    readonly tools?: readonly string[]
    readonly editors?: readonly string[]
    readonly operators?: readonly string[]
  } = {},
): DeskRig {
  const { policy = ACCESS_POLICY, tools = TOOLS, editors = [], operators = [] } = options
  const loaded = load(policy)
  if (!loaded.ok) throw new Error(loaded.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
  const approvals = createMemoryApprovalStore()
  const events: AuditEvent[] = []
  const grants = new Map<GrantId, StandingGrant>()
  const forgotten: string[] = []
  const byFingerprint = new Map<string, Approval>()
  const has = (list: readonly string[], { email }: Reviewer) => email !== null && list.includes(email)
  const desk = createAccessDesk({
    policy: loaded.policy,
    upstreams: ['files', 'pg-prod'],
    channels: ['slack'],
    listing: {
      tools: async (upstream) => {
        if (rig.fault === 'listing') throw new GatewayError('upstream_unreachable', 'down')
        const names = upstream === 'files' ? tools : []
        return new Map(names.map((name): [string, JsonObject] => [name, { name, description: `What ${name} does.` }]))
      },
    },
    people: { isMember: async (person, groups) => groups.includes('editors') && has(editors, person) },
    isOperator: async (person) => has(operators, person),
    holds: {
      open: async (approval) => {
        if (rig.fault === 'too_many') throw new GatewayError('too_many_holds', 'full')
        if (rig.opened !== null) return rig.opened(approval)
        const same = byFingerprint.get(approval.fingerprint)
        if (same !== undefined) return { outcome: 'joined', approval: same }
        byFingerprint.set(approval.fingerprint, approval)
        approvals.open(approval)
        return { outcome: 'opened', approval }
      },
    },
    approvals,
    runs: { delivered: async (id) => void forgotten.push(id) },
    grants: {
      get: async (id) => grants.get(id) ?? null,
      end: async (id, { state, by }) => {
        const grant = grants.get(id)
        if (grant?.state !== 'active') return null
        const ended = { ...grant, state, endedBy: by, endedAt: epochMs(rig.now) }
        grants.set(id, ended)
        return ended
      },
    },
    sessions: { touch: () => 'ses_access' as SessionId },
    recorder: {
      record: async (event) => {
        if (rig.fault === 'recording') throw new GatewayError('recording_failed', 'disk full')
        events.push(event)
      },
    },
    clock: { now: () => epochMs(rig.now) },
    ids: randomIds,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  })
  const rig: DeskRig = { desk, approvals, events, grants, forgotten, now: 1_000_000, opened: null, fault: null }
  return rig
}
