/** The order that must not change, and what must not happen when a step fails. Ports are a few lines each. */
import { describe, expect, it } from 'vitest'
import type { Approval, Refusal } from '../../src/approval/approval.ts'
import { fingerprintOf } from '../../src/approval/fingerprint.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { ApprovalId, CallId, PolicyVersion, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Freeze } from '../../src/freeze/freeze.ts'
import type { Attachment, Call, Exchange, LargeEvent, SendOptions, UpstreamAnswer } from '../../src/gate/call.ts'
import { AgentGone, CutOff } from '../../src/gate/call.ts'
import type { GateOptions } from '../../src/gate/gate.ts'
import { createGate } from '../../src/gate/gate.ts'
import type { GrantRefusal } from '../../src/grant/grant.ts'
import { openGrant } from '../../src/grant/grant.ts'
import type { StandingGrant, StandingGrantCall } from '../../src/grant/standing.ts'
import { openStandingGrant } from '../../src/grant/standing.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { stopText } from '../../src/mcp/answers.ts'
import type { ApprovalTerms, Effect, PolicyInput } from '../../src/policy/decision.ts'
import type { KeptAnswer, RunEnd } from '../../src/run/run.ts'
import { Secret } from '../../src/secret.ts'
import { anApproval, aPrincipal, aReview, aReviewer, someTerms } from '../support/examples.ts'
import { until } from '../support/until.ts'

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const CALL: Call = {
  id: 'call_1' as CallId,
  sessionId: 'ses_1' as SessionId,
  principal: aPrincipal(),
  upstream: 'files',
  method: 'tools/call',
  tool: 'write_file',
  arguments: { path: 'a.txt', content: 'hello' },
  otherParams: null,
  rpcId: 1,
  bytes: encode({ any: 'bytes' }),
  rejoins: null,
  continues: null,
}

/** A world in which everything is noted down in order, and in which one thing may go wrong. */
function world(options: {
  effect: Effect
  arguments?: JsonObject
  settle?: (asked: Approval) => Approval
  definitions?: JsonObject[]
  failsAt?: (event: AuditEvent) => boolean
  answer?: () => UpstreamAnswer | Promise<UpstreamAnswer>
  /** The agent leaves while the tool's definition is asked for the second time. */
  leaves?: boolean
  /** What the store knows of the approval that the call rejoins. */
  known?: Approval
  rejoins?: ApprovalId
  continues?: Call['continues']
  otherParams?: JsonObject
  statedReason?: string
  terms?: Partial<ApprovalTerms>
  patience?: AbortSignal
  /** Nobody ever decides. */
  undecided?: boolean
  /** What the fence refuses; else it is taken. */
  fence?: GrantRefusal
  /** How the run of an identical call ended; it never does where this is left out. */
  runEnds?: RunEnd
  /** Redis has not heard of this replica for a while. */
  unheardOf?: boolean
  /** The agent is gone while its answer is written. */
  unread?: boolean
  /** What telling the agent that it waits comes to. */
  held?: () => Promise<void>
  /** At which look a freeze is seen, and at every one after it. */
  frozenFrom?: number
  method?: string
  tool?: string
  /** An identical call's approval is used already. */
  begun?: boolean
  /** What the directories say of those who approved, once the grant is open; left out: it is not looked at. */
  stillMay?: () => Promise<Refusal | null>
  /** Of the grant, where `stillMay` is given: an identical call was quicker to end it. */
  isQuicker?: boolean
  /** Passes the call; null: none does. Left out: none is asked for. */
  grant?: StandingGrant | GatewayError | null
  principal?: Call['principal']
  acceptsGrants?: boolean
}) {
  const steps: string[] = []
  const recorded: AuditEvent[] = []
  const kept: KeptAnswer[] = []
  const usedBy: StandingGrantCall[] = []
  const judged: PolicyInput[] = []
  let asked: Approval | null = null
  let definitionsAsked = 0
  let looks = 0
  const left = new AbortController()
  const gateOptions: GateOptions = {
    freezes: { stops: () => (options.frozenFrom !== undefined && ++looks >= options.frozenFrom ? FREEZE : null) },
    policy: {
      version: 'p1' as PolicyVersion,
      evaluate: (input) => {
        steps.push('evaluate')
        judged.push(input)
        const { acceptsGrants = true } = options
        const approval = someTerms({ deadlineMs: 60_000, useWithinMs: 60_000, acceptsGrants, ...options.terms })
        return {
          effect: options.effect,
          rule: 'r1',
          reason: 'because',
          approval: options.effect === 'require_approval' ? approval : null,
        }
      },
      outlook: () => ({ possible: true, approval: 'never' }),
      canHold: () => true,
    },
    channels: ['console'],
    holds: {
      open: async (approval) => {
        steps.push('hold')
        asked = approval
        if (options.begun) return { outcome: 'begun', approval: approve(approval) }
        return { outcome: 'opened', approval }
      },
      wait: async (_id, signal) => {
        if (options.undecided) {
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        }
        if (asked === null) throw new Error('nothing is held')
        return (options.settle ?? approve)(asked)
      },
    },
    approvals: {
      get: async () => options.known ?? null,
      apply: async (_id, event) => {
        steps.push(event.type)
        return { ok: false, refusal: 'unknown_approval' }
      },
    },
    grants: {
      get: async () =>
        options.fence === 'consumed' && options.known
          ? { ...openGrant(options.known, epochMs(2_000)), state: 'consumed' }
          : options.stillMay === undefined || asked === null
            ? null
            : openGrant(approve(asked), epochMs(2_000)),
      consume: async () => {
        steps.push('fence')
        if (options.fence !== undefined) return { ok: false, refusal: options.fence }
        if (asked === null) throw new Error('nothing is held')
        return { ok: true, grant: openGrant(asked, epochMs(2_000)) }
      },
      end: async (_id, state) => {
        steps.push(`grant ${state}`)
        return !options.isQuicker
      },
    },
    reviews: {
      stillMay: async () => {
        steps.push('still may?')
        return (await options.stillMay?.()) ?? null
      },
    },
    standingGrants: {
      use: async (call) => {
        steps.push('use a standing grant')
        usedBy.push(call)
        if (options.grant instanceof GatewayError) throw options.grant
        return options.grant ?? null
      },
      end: async (id, { state }) => {
        steps.push(`standing grant ${state}`)
        expect(id).toBe('stg_1')
        return null
      },
    },
    continuations: {
      wrap: (_call, approvalId, upstreamState) => `ours(${approvalId},${upstreamState})`,
      take: async (nonce) => {
        steps.push(`take ${nonce}`)
        return nonce !== 'used'
      },
    },
    runs: {
      isVouchedFor: () => !options.unheardOf,
      end: async (_id, _callId, answer) => {
        steps.push(`run ended: ${answer.kind}`)
        kept.push(answer)
      },
      get: async () => options.runEnds ?? null,
      wait: async (_id, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      delivered: async () => void steps.push('delivered'),
    },
    recorder: {
      record: async (event, durability) => {
        if (options.failsAt?.(event)) throw new GatewayError('recording_failed', 'the disk is full')
        steps.push(`${event.type}:${durability}`)
        recorded.push(event)
      },
    },
    broker: {
      lend: () => {
        steps.push('lend')
        return {
          kind: 'static',
          headers: new Map(),
          secrets: [new Secret('hunter2-long')],
          release: () => void steps.push('return'),
        }
      },
    },
    catalogue: {
      definition: async (_upstream, _tool, age) => {
        if (age === 'cached') return options.definitions?.[0] ?? null
        const definition = options.definitions?.[definitionsAsked++] ?? null
        if (options.leaves && definitionsAsked === 2) left.abort()
        return definition
      },
      known: () => null,
    },
    masker: createMasker(),
    clock: { now: () => epochMs(1_000) },
    ids: { next: (prefix) => `${prefix}_1` },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  }
  const sentHow: (SendOptions | undefined)[] = []
  const exchange: Exchange = {
    send: async (_lease, how) => {
      steps.push('forward')
      sentHow.push(how)
      return (options.answer ?? (() => whole({ jsonrpc: '2.0', id: 1, result: { content: [] } })))()
    },
  }
  const attachment: Attachment = {
    held: () => {
      steps.push('held')
      return options.held?.()
    },
    gone: left.signal,
    patience: options.patience ?? null,
  }
  const message = (method: string): Call => ({ ...CALL, id: 'call_2' as CallId, method, tool: null })
  return {
    steps,
    recorded,
    kept,
    usedBy,
    sentHow,
    judged,
    asked: () => asked,
    follow: (method: string) =>
      createGate(gateOptions).follow(message(method), { call: CALL, approvalId: 'apr_1' as ApprovalId }, exchange),
    pass: () =>
      createGate(gateOptions).pass(
        {
          ...CALL,
          principal: options.principal ?? CALL.principal,
          method: options.method ?? CALL.method,
          tool: options.tool ?? CALL.tool,
          arguments: options.arguments ?? CALL.arguments,
          rejoins: options.rejoins ?? null,
          continues: options.continues ?? null,
          otherParams: options.otherParams ?? null,
          ...(options.statedReason === undefined ? {} : { statedReason: options.statedReason }),
        },
        attachment,
        exchange,
      ),
  }
}

const FREEZE: Freeze = {
  scope: { kind: 'agent', owner: 'alice@example.com' },
  by: aReviewer('bob@example.com'),
  at: epochMs(1_000),
  reason: 'A leaked token',
}

const approve = (asked: Approval): Approval => ({ ...asked, state: 'approved', version: 2, resolvedAt: epochMs(2_000) })
const whole = (message: unknown): UpstreamAnswer => ({
  kind: 'whole',
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: encode(message),
})
const ofType = (type: AuditEvent['type']) => (event: AuditEvent) => event.type === type

describe('who approved, asked about once more before the call runs', () => {
  const held = { effect: 'require_approval' } as const

  it('[REQ-WHO-2] may still: then the fence is taken', async () => {
    const { steps, pass } = world({ ...held, stillMay: async () => null })
    expect(await pass()).toMatchObject({ kind: 'whole' })
    expect(steps.slice(steps.indexOf('still may?'))).toEqual([
      'still may?',
      'fence',
      'grant.ended:written',
      'call.intent:synced',
      'lend',
      'forward',
      'return',
      'call.outcome:written',
      'run ended: message',
    ])
  })

  it('[REQ-WHO-2] may no longer: the grant is taken back, nothing runs, and the agent is told to ask anew', async () => {
    const { steps, recorded, pass } = world({ ...held, stillMay: async () => 'not_a_reviewer' })
    const reply = await pass()
    expect(reply).toMatchObject({ kind: 'stopped', stop: { why: 'refused' } })
    expect(reply.kind === 'stopped' && stopText(reply.stop)).toMatch(
      /was given, but by someone who may approve it no longer\. Call again to ask for a new approval\. .*NOT executed/,
    )
    expect(steps.slice(steps.indexOf('still may?'))).toEqual([
      'still may?',
      'grant revoked',
      'grant.ended:written',
      'call.outcome:written',
    ])
    expect(recorded.at(-2)).toMatchObject({ type: 'grant.ended', state: 'revoked' })
    expect(recorded.at(-1)).toMatchObject({ type: 'call.outcome', outcome: 'refused', error: null })
  })

  it('[REQ-WHO-2] may no longer: what they gave for longer than this call is taken back too', async () => {
    const { steps, pass } = world({
      ...held,
      settle: (asked) => ({ ...approve(asked), allowedForMs: 900_000 }),
      stillMay: async () => 'not_a_reviewer',
    })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'refused' } })
    expect(steps).toContain('standing grant revoked')
  })

  it('[REQ-WHO-3] can’t be told: nothing runs, and the approval is left for the next try', async () => {
    const away = new GatewayError('directory_unavailable', 'Whether okta:DBA has this person cannot be looked up.')
    const { steps, recorded, pass } = world({ ...held, stillMay: () => Promise.reject(away) })
    await expect(pass()).rejects.toBe(away)
    expect(steps.slice(steps.indexOf('still may?'))).toEqual(['still may?', 'call.outcome:written'])
    expect(recorded.at(-1)).toMatchObject({ outcome: 'refused', error: 'directory_unavailable' })
  })

  it('is no matter where an identical call has run already: its answer is this one’s too', async () => {
    const { steps, pass } = world({
      ...held,
      stillMay: async () => 'not_a_reviewer',
      isQuicker: true,
      fence: 'consumed',
      runEnds: { state: 'ran', callId: 'call_0' as CallId },
    })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'answer_lost' } })
    expect(steps).toContain('fence')
  })

  it('is not asked about where the grant is used or over: that ends it anyway', async () => {
    const { steps, pass } = world({ ...held, fence: 'expired' })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'refused' } })
    expect(steps).not.toContain('still may?')
  })

  it('costs an allowed call nothing', async () => {
    const { steps, pass } = world({ effect: 'allow', stillMay: async () => 'not_a_reviewer' })
    expect(await pass()).toMatchObject({ kind: 'whole' })
    expect(steps).not.toContain('still may?')
  })

  it('keeps the server’s question about the call unanswered once they may no longer', async () => {
    const known: Approval = approve(anApproval({ id: 'apr_1' as ApprovalId, reviews: [aReview()] }))
    const fingerprint = await fingerprintOf({
      principal: CALL.principal.id,
      upstream: 'files',
      tool: 'write_file',
      arguments: CALL.arguments,
      inputResponses: null,
      toolDefinition: null,
      policy: 'p1' as PolicyVersion,
    })
    const { steps, pass } = world({
      ...held,
      stillMay: async () => 'not_a_reviewer',
      known: { ...known, fingerprint },
      continues: { approvalId: known.id, nonce: 'n1' },
    })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'refused' } })
    expect(steps).not.toContain('take n1')
    expect(steps).not.toContain('forward')
  })
})

describe('the gate', () => {
  it('[REQ-RECORD-1] passes an allowed call: intent before the upstream, outcome before the answer', async () => {
    const { steps, pass } = world({ effect: 'allow' })
    expect(await pass()).toMatchObject({ kind: 'whole', status: 200 })
    expect(steps).toEqual(['evaluate', 'call.intent:written', 'lend', 'forward', 'return', 'call.outcome:written'])
  })

  it('passes a held call in the order that must not change, its intent on the disk first', async () => {
    const { steps, pass } = world({ effect: 'require_approval' })
    expect(await pass()).toMatchObject({ kind: 'whole' })
    expect(steps).toEqual([
      'evaluate',
      'use a standing grant',
      'call.decided:synced',
      'hold',
      'approval.requested:written',
      'held',
      'fence',
      'grant.ended:written',
      'call.intent:synced',
      'lend',
      'forward',
      'return',
      'call.outcome:written',
      'run ended: message',
    ])
  })

  describe('where a standing grant passes it', () => {
    const approval = anApproval({
      ...{ state: 'approved', allowedForMs: 900_000, resolvedAt: epochMs(500), reviews: [aReview()] },
    })
    const grant = openStandingGrant(approval, epochMs(500))
    if (grant === null) throw new Error('no grant')
    const granted = (change: Partial<Parameters<typeof world>[0]> = {}) =>
      world({ effect: 'require_approval', grant, ...change })

    it('forwards a call that would be held, its intent on the disk first, and asks nobody', async () => {
      const { steps, recorded, pass } = granted()
      expect(await pass()).toMatchObject({ kind: 'whole', delivered: null })
      expect(steps).toEqual([
        'evaluate',
        'use a standing grant',
        'call.intent:synced',
        'lend',
        'forward',
        'return',
        'call.outcome:written',
      ])
      expect(recorded.find(ofType('call.intent'))).toMatchObject({
        ...{ effect: 'require_approval', rule: 'r1', approval_id: approval.id, grant_id: grant.id },
        approved_by: ['console:bob@example.com'],
      })
    })

    it.each<[string, Partial<Parameters<typeof world>[0]>]>([
      ['a call that a rule denies', { effect: 'deny' }],
      ['a call of a rule that accepts none', { acceptsGrants: false }],
      ['a call that comes back for an approval of its own', { rejoins: 'apr_1' as ApprovalId }],
      ['a call that a rule allows', { effect: 'allow' }],
    ])('[REQ-GRANT-1] is not asked about %s', async (_sentence, change) => {
      const { steps, pass } = granted(change)
      await pass()
      expect(steps).not.toContain('use a standing grant')
    })

    it('[REQ-GRANT-2] is asked by the owner’s e-mail only where the issuer vouches for it', async () => {
      const vouched = granted()
      const chosen = granted({ principal: aPrincipal({ vouchedEmail: null }) })
      await Promise.all([vouched.pass(), chosen.pass()])
      expect(vouched.usedBy[0]?.principal.email).toBe('alice@example.com')
      expect(chosen.usedBy[0]?.principal).toMatchObject({ email: null, subject: 'alice@example.com' })
    })

    it('forwards nothing while nobody can tell whether it does', async () => {
      const away = new GatewayError('store_unavailable', 'Redis is away')
      const { steps, recorded, pass } = granted({ grant: away })
      await expect(pass()).rejects.toBe(away)
      expect(steps).toEqual(['evaluate', 'use a standing grant', 'call.decided:synced', 'call.outcome:written'])
      expect(recorded.at(-1)).toMatchObject({ outcome: 'refused', error: 'store_unavailable' })
    })

    it('forwards nothing that can’t be recorded', async () => {
      const { steps, pass } = granted({ failsAt: ofType('call.intent') })
      await expect(pass()).rejects.toMatchObject({ code: 'recording_failed' })
      expect(steps).not.toContain('lend')
    })

    it('breaks off when its agent leaves, like an allowed call: it may be made again', async () => {
      const { sentHow, kept, pass } = granted()
      await pass()
      expect(sentHow).toEqual([{ outlivesAgent: false, takesPieces: true }])
      expect(kept).toEqual([])
    })

    it('leaves the upstream’s state as it is: the answer to its question is a call that is judged anew', async () => {
      const result = { resultType: 'input_required', requestState: 'theirs' }
      const reply = await granted({ answer: () => whole({ jsonrpc: '2.0', id: 1, result }) }).pass()
      if (reply.kind !== 'whole') throw new Error('not forwarded')
      expect(JSON.parse(new TextDecoder().decode(reply.body))).toMatchObject({ result })
    })
  })

  it('asks people by the rule’s terms, its steps as instants', async () => {
    const { asked, pass } = world({
      effect: 'require_approval',
      terms: {
        from: ['dba'],
        strength: 'confirm',
        readAll: true,
        allowForMs: [900_000],
        rooms: ['slack:C1'],
        steps: [{ type: 'escalate', afterMs: 20_000, from: ['leads'], rooms: [] }],
      },
    })
    await pass()
    expect(asked()).toMatchObject({
      from: ['dba'],
      strength: 'confirm',
      readAll: true,
      allowForMs: [900_000],
      rooms: ['slack:C1'],
      isOutOfHours: false,
      steps: [{ type: 'escalate', at: 21_000, doneAt: null, from: ['leads'], rooms: [] }],
    })
  })

  it('[REQ-GRANT-1] offers no grant for a while of a tool that is called like all of them', async () => {
    const terms = { allowForMs: [900_000] }
    const { asked, pass } = world({ effect: 'require_approval', tool: '*', terms })
    await pass()
    expect(asked()).toMatchObject({ tool: '*', allowForMs: [] })
  })

  it('[REQ-STEPS-2] asks others out of the rule’s hours', async () => {
    // The world's clock stands at one second past midnight, UTC.
    const hours = { days: [4], fromMinute: 540, toMinute: 1_080, zone: 'UTC', otherwise: ['oncall'] }
    const { asked, pass } = world({ effect: 'require_approval', terms: { from: ['dba'], hours } })
    await pass()
    expect(asked()).toMatchObject({ from: ['oncall'], isOutOfHours: true })
  })

  it('[REQ-REASON-1] shows people what the agent says it wants, and judges nothing by it', async () => {
    const silent = world({ effect: 'require_approval' })
    const talking = world({ effect: 'require_approval', statedReason: 'The ticket says so.' })
    await silent.pass()
    await talking.pass()
    expect([silent.asked()?.statedReason, talking.asked()?.statedReason]).toEqual([null, 'The ticket says so.'])
    expect(talking.asked()?.fingerprint).toBe(silent.asked()?.fingerprint)
    expect(talking.judged).toEqual(silent.judged)
  })

  it('[REQ-REASON-1] records what the agent says it wants, its secrets masked', async () => {
    const token = `ghp_${'a1B2'.repeat(9)}`
    const { recorded, pass } = world({ effect: 'require_approval', statedReason: `I have ${token}` })
    await pass()
    const requested = recorded.find(ofType('approval.requested'))
    expect(requested).toMatchObject({ stated_reason: expect.stringContaining('I have ') })
    expect(JSON.stringify(recorded)).not.toContain(token)
  })

  it.each<[string, Parameters<typeof world>[0], object]>([
    ['a denied call', { effect: 'deny' }, { why: 'denied_by_policy', rule: 'r1' }],
    [
      'a call that a reviewer denied',
      { effect: 'require_approval', settle: (asked) => ({ ...asked, state: 'denied' }) },
      { why: 'denied_by_reviewer' },
    ],
    [
      'a call whose deadline passed',
      { effect: 'require_approval', settle: (asked) => ({ ...asked, state: 'expired' }) },
      { why: 'expired' },
    ],
    [
      '[REQ-FORWARD-1] an approved call whose tool changed its definition meanwhile',
      {
        effect: 'require_approval',
        definitions: [{ description: 'writes a file' }, { description: 'sends a file away' }],
      },
      { why: 'refused' },
    ],
    [
      'an approval that is for another fingerprint',
      {
        effect: 'require_approval',
        settle: (asked) => ({ ...approve(asked), fingerprint: 'e'.repeat(64) as Approval['fingerprint'] }),
      },
      { why: 'refused' },
    ],
  ])('does not forward %s', async (_sentence, options, stop) => {
    const { steps, pass } = world(options)
    expect(await pass()).toMatchObject({ kind: 'stopped', stop })
    expect(steps).not.toContain('forward')
    expect(steps).not.toContain('lend')
    expect(steps).not.toContain('fence')
    expect(steps.at(-1)).toBe('call.outcome:written')
  })

  it('leaves the approval unused when the agent left after it was given', async () => {
    const { steps, pass } = world({ effect: 'require_approval', definitions: [{}, {}], leaves: true })
    await expect(pass()).rejects.toMatchObject({ name: 'AgentGone' })
    expect(steps).not.toContain('fence')
    expect(steps.at(-1)).toBe('call.outcome:written')
  })

  it.each([
    ['at once, for a call that can’t wait at all', AbortSignal.abort()],
    ['when its patience ends', AbortSignal.timeout(5)],
  ])('answers that a call is pending %s, and leaves the question open', async (_sentence, patience) => {
    const { steps, pass } = world({ effect: 'require_approval', patience, undecided: true })
    expect(await pass()).toMatchObject({ kind: 'pending', approval: { id: 'apr_1', state: 'pending' } })
    expect(steps).not.toContain('forward')
    expect(steps).not.toContain('cancelled')
    expect(steps.at(-1)).toBe('call.outcome:written')
  })

  it.each<[string, Approval['state'], string]>([
    ['denied', 'denied', 'denied_by_reviewer'],
    ['expired', 'expired', 'expired'],
  ])('tells a call that comes back that it was %s meanwhile, instead of asking again', async (_word, state, why) => {
    const first = world({ effect: 'require_approval', patience: AbortSignal.abort(), undecided: true })
    const reply = await first.pass()
    if (reply.kind !== 'pending') throw new Error('not pending')
    const known = { ...reply.approval, state }
    const second = world({ effect: 'require_approval', known, rejoins: known.id })
    expect(await second.pass()).toMatchObject({ kind: 'stopped', stop: { why } })
    expect(second.steps).not.toContain('hold')
  })

  describe('where the upstream asks something about an approved call', () => {
    const question = { resultType: 'input_required', inputRequests: { name: { method: 'elicitation/create' } } }
    const askedWith = async (result: JsonObject) => {
      let approved: Approval | undefined
      const { pass } = world({
        effect: 'require_approval',
        settle: (asked) => {
          approved = approve(asked)
          return approved
        },
        answer: () => whole({ jsonrpc: '2.0', id: 1, result }),
      })
      const reply = await pass()
      if (reply.kind !== 'whole' || approved === undefined) throw new Error('not forwarded')
      return { approved, answer: JSON.parse(new TextDecoder().decode(reply.body)) as unknown }
    }
    const answers = { inputResponses: { name: { action: 'accept', content: { name: 'Ada' } } } }

    it.each<[string, JsonObject, JsonObject]>([
      ['wraps its state', { ...question, requestState: 'theirs' }, { ...question, requestState: 'ours(apr_1,theirs)' }],
      ['gives it one where it has none', question, { ...question, requestState: 'ours(apr_1,null)' }],
      ['leaves a final result alone', { resultType: 'complete', content: [] }, { resultType: 'complete', content: [] }],
    ])('%s', async (_sentence, result, expected) => {
      expect((await askedWith(result)).answer).toEqual({ jsonrpc: '2.0', id: 1, result: expected })
    })

    it('lets the client’s answer through without a second question to people', async () => {
      const { approved } = await askedWith(question)
      const continues = { approvalId: approved.id, nonce: 'n1' }
      const { steps, recorded, pass } = world({
        effect: 'require_approval',
        known: approved,
        continues,
        otherParams: answers,
      })
      expect(await pass()).toMatchObject({ kind: 'whole' })
      expect(steps).toContain('take n1')
      expect(steps).toContain('call.intent:synced')
      expect(steps).not.toContain('hold')
      expect(recorded.find(({ type }) => type === 'call.intent')).toMatchObject({ approval_id: approved.id })
    })

    it.each<[string, (approved: Approval) => Parameters<typeof world>[0], object]>([
      [
        'an answer that was given already',
        (known) => ({ effect: 'require_approval', known, continues: { approvalId: known.id, nonce: 'used' } }),
        { kind: 'stopped', stop: { why: 'answered_already' } },
      ],
      [
        'other arguments than the approved ones',
        (known) => ({
          effect: 'require_approval',
          known,
          continues: { approvalId: known.id, nonce: 'n1' },
          arguments: { path: 'other.txt' },
        }),
        { kind: 'stopped', stop: { why: 'refused' } },
      ],
      [
        'a tool that has changed since',
        (known) => ({
          effect: 'require_approval',
          known,
          continues: { approvalId: known.id, nonce: 'n1' },
          definitions: [{ description: 'sends a file away' }],
        }),
        { kind: 'stopped', stop: { why: 'refused' } },
      ],
      [
        'what policy denies by now',
        (known) => ({ effect: 'deny', known, continues: { approvalId: known.id, nonce: 'n1' } }),
        { kind: 'stopped', stop: { why: 'denied_by_policy' } },
      ],
      [
        'an approval that was denied',
        (known) => ({
          effect: 'require_approval',
          known: { ...known, state: 'denied' },
          continues: { approvalId: known.id, nonce: 'n1' },
        }),
        { code: 'invalid_params' },
      ],
    ])('does not forward %s', async (_sentence, optionsOf, expected) => {
      const { approved } = await askedWith(question)
      const { steps, pass } = world(optionsOf(approved))
      await expect(pass().catch((error: unknown) => error)).resolves.toMatchObject(expected)
      expect(steps).not.toContain('forward')
      expect(steps.at(-1)).toBe('call.outcome:written')
    })
  })

  it('asks anew where the call that comes back is another than the one that was asked about', async () => {
    const known = { ...anApproval(), state: 'approved' as const }
    const { steps, pass } = world({
      effect: 'require_approval',
      known,
      rejoins: known.id,
      undecided: true,
      patience: AbortSignal.abort(),
    })
    expect(await pass()).toMatchObject({ kind: 'pending', approval: { id: 'apr_1' } })
    expect(steps).toContain('hold')
    expect(steps).not.toContain('fence')
  })

  const answerOf = (text: string): KeptAnswer => ({
    kind: 'message',
    json: `{"jsonrpc":"2.0","id":77,"result":{"content":[{"type":"text","text":"${text}"}],"n":12345678901234567890}}`,
  })
  const ended = (answer: KeptAnswer): RunEnd => ({ state: 'finished', callId: 'call_first' as CallId, answer })

  it('[REQ-ONCE-2] answers an identical call with what the first was answered, under its own id, and forwards nothing', async () => {
    const { steps, recorded, pass } = world({
      effect: 'require_approval',
      fence: 'consumed',
      runEnds: ended(answerOf('done')),
    })
    const reply = await pass()
    if (reply.kind !== 'whole') throw new Error(`not an answer: ${reply.kind}`)
    const text = new TextDecoder().decode(reply.body)
    expect(text).toContain('12345678901234567890')
    expect(JSON.parse(text)).toMatchObject({
      id: 1,
      result: {
        content: [{ type: 'text', text: 'done' }],
        _meta: { 'dev.countersign/decision': { outcome: 'replayed', approval_id: 'apr_1', call_id: 'call_first' } },
      },
    })
    expect(steps).not.toContain('forward')
    expect(recorded.at(-1)).toMatchObject({ type: 'call.outcome', outcome: 'replayed' })
    expect(steps).not.toContain('delivered')
    reply.delivered?.()
    expect(steps.at(-1)).toBe('delivered')
  })

  it.each<[string, RunEnd, object]>([
    ['nobody knows', { state: 'unknown', callId: CALL.id }, { why: 'outcome_unknown' }],
    ['people found out that it ran', { state: 'ran', callId: CALL.id }, { why: 'answer_lost' }],
    ['people found out that it did not run', { state: 'did_not_run', callId: CALL.id }, { why: 'refused' }],
    ['its answer is kept no longer', { state: 'gone' }, { why: 'answer_gone' }],
    ['its answer could not be kept', ended({ kind: 'not_kept' }), { why: 'answer_not_kept' }],
  ])('[REQ-ONCE-2] tells an identical call so where %s, and forwards nothing', async (_sentence, runEnds, stop) => {
    const { steps, pass } = world({ effect: 'require_approval', fence: 'consumed', runEnds })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop })
    expect(steps).not.toContain('forward')
    expect(steps).not.toContain('lend')
  })

  it('answers a fault again as the fault that it was', async () => {
    const fault = { kind: 'fault', code: 'upstream_unreachable', message: 'it broke off' } as const
    const { pass } = world({ effect: 'require_approval', fence: 'consumed', runEnds: ended(fault) })
    const reply = await pass()
    if (reply.kind !== 'whole') throw new Error('not an answer')
    expect(reply.status).toBe(502)
    expect(JSON.parse(new TextDecoder().decode(reply.body))).toMatchObject({
      id: 1,
      error: { code: -32013, message: 'it broke off', data: { 'dev.countersign/decision': { outcome: 'replayed' } } },
    })
  })

  it('lets a call that waits for an identical one’s answer come back for it when its patience ends', async () => {
    const patience = new AbortController()
    const { steps, pass } = world({ effect: 'require_approval', fence: 'consumed', patience: patience.signal })
    const waiting = pass()
    await until('it waits', () => steps.includes('fence'))
    patience.abort()
    expect(await waiting).toMatchObject({ kind: 'pending', approval: { state: 'approved' } })
    expect(steps).not.toContain('forward')
  })

  const BEGUN = { effect: 'require_approval', fence: 'consumed', begun: true } as const

  it('refuses a call that is to wait for an identical one’s answer, and can’t be told so', async () => {
    const away = new GatewayError('store_unavailable', 'Redis is away')
    const { recorded, pass } = world({ ...BEGUN, held: () => Promise.reject(away) })
    await expect(pass()).rejects.toBe(away)
    expect(recorded.at(-1)).toMatchObject({ type: 'call.outcome', outcome: 'refused', error: 'store_unavailable' })
  })

  it('does not begin to wait for an answer that is there', async () => {
    const { steps, pass } = world({ ...BEGUN, runEnds: ended(answerOf('done')) })
    expect(await pass()).toMatchObject({ kind: 'whole' })
    expect(steps).not.toContain('held')
  })

  it('asks nobody again after a denial, and notes when its agent has heard it', async () => {
    const { steps, pass } = world({ effect: 'require_approval', settle: (asked) => ({ ...asked, state: 'denied' }) })
    const reply = await pass()
    if (reply.kind !== 'stopped') throw new Error('not stopped')
    reply.delivered?.()
    expect(steps.at(-1)).toBe('delivered')
  })

  it.each<[string, Parameters<typeof world>[0], string]>([
    ['its grant’s use can’t be recorded', { effect: 'require_approval', failsAt: ofType('grant.ended') }, 'lend'],
    ['its intent can’t be recorded', { effect: 'require_approval', failsAt: ofType('call.intent') }, 'lend'],
    ['Redis has not heard of this gateway', { effect: 'require_approval', unheardOf: true }, 'lend'],
    ['its outcome can’t be recorded', { effect: 'require_approval', failsAt: ofType('call.outcome') }, 'nothing'],
  ])('[REQ-ONCE-1] ends the run with a fault where %s', async (_sentence, options, notDone) => {
    const { steps, pass } = world(options)
    await expect(pass()).rejects.toMatchObject({ delivered: expect.any(Function) })
    expect(steps).toContain('run ended: fault')
    expect(steps).not.toContain(notDone)
  })

  it('[REQ-ONCE-1] leaves the run without an end, and the intent without an outcome, where the gateway stops meanwhile', async () => {
    const { steps, pass } = world({
      effect: 'require_approval',
      answer: () => Promise.reject(new CutOff('the gateway stops')),
    })
    await expect(pass()).rejects.toMatchObject({ name: 'CutOff' })
    expect(steps.slice(-3)).toEqual(['lend', 'forward', 'return'])
  })

  it('[REQ-ONCE-3] keeps the answer of an approved stream although its agent has left, and of no allowed one', async () => {
    const data = (value: unknown) => ({ id: null, event: null, retryMs: null, data: JSON.stringify(value) })
    const stream = (): UpstreamAnswer => ({
      kind: 'stream',
      status: 200,
      headers: {},
      events: (async function* () {
        yield data({ jsonrpc: '2.0', method: 'notifications/message', params: {} })
        yield data({ jsonrpc: '2.0', id: 1, result: { content: [] } })
      })(),
    })
    const left = () => {
      throw new AgentGone('left')
    }
    const approved = world({ effect: 'require_approval', answer: stream })
    const reply = await approved.pass()
    if (reply.kind !== 'stream') throw new Error('not a stream')
    await reply.relay(left)
    expect(approved.steps.slice(-3)).toEqual(['call.outcome:written', 'run ended: message', 'return'])
    expect(approved.kept).toEqual([{ kind: 'message', json: '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}' }])

    const allowed = world({ effect: 'allow', answer: stream })
    const other = await allowed.pass()
    if (other.kind !== 'stream') throw new Error('not a stream')
    await expect(other.relay(left)).rejects.toMatchObject({ name: 'AgentGone' })
    expect(allowed.recorded.at(-1)).toMatchObject({ outcome: 'abandoned' })
  })

  it.each<[string, Effect, AuditEvent['type']]>([
    ['an allowed call’s intent', 'allow', 'call.intent'],
    ['a held call’s intent', 'require_approval', 'call.intent'],
    ['that policy asked for approval', 'require_approval', 'call.decided'],
    ['that a question was put', 'require_approval', 'approval.requested'],
    ['that a grant was used', 'require_approval', 'grant.ended'],
  ])('[REQ-RECORD-3] forwards nothing when it can’t record %s', async (_sentence, effect, type) => {
    const { steps, pass } = world({ effect, failsAt: ofType(type) })
    await expect(pass()).rejects.toMatchObject({ code: 'recording_failed' })
    expect(steps).not.toContain('forward')
  })

  it('has on the disk who approved, before the call goes on', async () => {
    const { recorded, pass } = world({
      effect: 'require_approval',
      settle: (asked) => ({ ...approve(asked), reviews: [aReview({ at: epochMs(1_500) })] }),
    })
    await pass()
    const intent = recorded.find(({ type }) => type === 'call.intent')
    expect(intent).toMatchObject({ approved_by: ['console:bob@example.com'], approval_id: 'apr_1' })
  })

  it('asks nobody about more than a person can read', async () => {
    const { steps, pass } = world({ effect: 'require_approval', arguments: { content: 'x'.repeat(600_000) } })
    await expect(pass()).rejects.toMatchObject({ code: 'body_too_large' })
    expect(steps).not.toContain('hold')
    expect(steps).not.toContain('forward')
  })

  it('takes a question back that it could not record', async () => {
    const { steps, pass } = world({ effect: 'require_approval', failsAt: ofType('approval.requested') })
    await expect(pass()).rejects.toMatchObject({ code: 'recording_failed' })
    expect(steps).toContain('cancelled')
  })

  it('withholds the answer when the outcome can’t be recorded', async () => {
    const { pass } = world({ effect: 'allow', failsAt: ofType('call.outcome') })
    await expect(pass()).rejects.toMatchObject({ code: 'recording_failed' })
  })

  it('returns the lease and records the failure when the upstream fails', async () => {
    const { steps, pass } = world({
      effect: 'allow',
      answer: () => Promise.reject(new GatewayError('upstream_unreachable', 'gone')),
    })
    await expect(pass()).rejects.toMatchObject({ code: 'upstream_unreachable' })
    expect(steps.slice(-2)).toEqual(['return', 'call.outcome:written'])
  })

  it('[REQ-FORWARD-3] never lets the upstream’s secret back, in a result or in an error', async () => {
    for (const message of [
      { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'key is hunter2-long!' }] } },
      { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'bad key hunter2-long', data: { key: 'hunter2-long' } } },
    ]) {
      const { pass } = world({ effect: 'allow', answer: () => whole(message) })
      const reply = await pass()
      expect(reply.kind === 'whole' && new TextDecoder().decode(reply.body)).not.toContain('hunter2')
    }
  })

  it('withholds an answer that two readers could read differently', async () => {
    const body = new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"result":{"a":"hunter2-long","a":"harmless"}}')
    const { pass } = world({ effect: 'allow', answer: () => ({ ...whole({}), kind: 'whole', body }) })
    await expect(pass()).rejects.toMatchObject({ code: 'upstream_bad_answer' })
  })

  it('records a stream’s outcome before its last event, and hands on each event masked', async () => {
    const data = (value: unknown) => ({ id: null, event: null, retryMs: null, data: JSON.stringify(value) })
    const { steps, pass } = world({
      effect: 'allow',
      answer: () => ({
        kind: 'stream',
        status: 200,
        headers: {},
        events: (async function* () {
          yield data({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'hunter2-long' } })
          yield data({ jsonrpc: '2.0', id: 1, result: { isError: true, content: [] } })
        })(),
      }),
    })
    const reply = await pass()
    if (reply.kind !== 'stream') throw new Error('not a stream')
    await reply.relay((event) => void steps.push(event.data))
    expect(steps.slice(-4)).toEqual([
      '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"[masked:credential]"}}',
      'call.outcome:written',
      '{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}',
      'return',
    ])
  })

  it('hands on and records one answer, however often the upstream answers in a stream', async () => {
    const data = (text: string) => ({
      ...{ id: null, event: null, retryMs: null },
      data: `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"${text}"}]}}`,
    })
    const { steps, pass } = world({
      effect: 'allow',
      answer: () => ({
        kind: 'stream',
        status: 200,
        headers: {},
        events: (async function* () {
          yield data('first')
          yield data('second')
        })(),
      }),
    })
    const reply = await pass()
    if (reply.kind !== 'stream') throw new Error('not a stream')
    const written: string[] = []
    await reply.relay((event) => void written.push(event.data))
    expect(written).toEqual([data('first').data])
    expect(steps.filter((step) => step === 'call.outcome:written')).toHaveLength(1)
  })

  it('records one outcome of a large answer, also where its agent leaves before the last piece', async () => {
    async function* chunks() {
      yield encode({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'long' }] } })
    }
    async function* events() {
      yield { id: null, event: null, retryMs: null, chunks: chunks() }
    }
    const { recorded, pass } = world({
      effect: 'allow',
      answer: () => ({ kind: 'stream', status: 200, headers: {}, events: events() }),
    })
    const reply = await pass()
    if (reply.kind !== 'stream') throw new Error('not a stream')
    const leaves = async (event: LargeEvent) => {
      for await (const _ of event.chunks) throw new AgentGone('the agent left')
    }
    await expect(reply.relay(() => undefined, leaves)).rejects.toBeInstanceOf(AgentGone)
    expect(recorded.filter(ofType('call.outcome'))).toMatchObject([{ outcome: 'succeeded' }])
  })

  it('tells the agent when a stream ends without its answer', async () => {
    const { steps, pass } = world({
      effect: 'allow',
      answer: () => ({ kind: 'stream', status: 200, headers: {}, events: (async function* () {})() }),
    })
    const reply = await pass()
    if (reply.kind !== 'stream') throw new Error('not a stream')
    await expect(reply.relay(() => undefined)).rejects.toMatchObject({ code: 'upstream_bad_answer' })
    expect(steps.slice(-2)).toEqual(['call.outcome:written', 'return'])
  })
})

describe('the gate under a freeze', () => {
  const refused = { type: 'call.outcome', outcome: 'refused', error: 'frozen' }

  it.each<[string, Parameters<typeof world>[0]]>([
    ['a call that policy allows', { effect: 'allow' }],
    ['a call that policy holds', { effect: 'require_approval' }],
    ['a list of tools', { effect: 'allow', method: 'tools/list' }],
    ['a resource', { effect: 'allow', method: 'resources/read' }],
    ['a prompt', { effect: 'allow', method: 'prompts/get' }],
    ['a stream of notifications', { effect: 'allow', method: 'stream/get' }],
    ['an answer to a question of the server', { effect: 'allow', method: 'response' }],
    ['what carries an approved call on', { effect: 'require_approval', continues: CONTINUES }],
  ])('[REQ-FREEZE-1] stops %s before policy is asked, and says so', async (_sentence, options) => {
    const { steps, recorded, pass } = world({ ...options, frozenFrom: 1 })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'frozen', freeze: FREEZE } })
    expect(steps).toEqual(['call.outcome:written'])
    expect(recorded).toMatchObject([refused])
  })

  it.each([
    'initialize',
    'notifications/initialized',
    'ping',
    'server/discover',
    'notifications/cancelled',
    'session/delete',
  ])('lets %s through, so that the agent can be told, and can end things', async (method) => {
    const { steps, pass } = world({ effect: 'allow', method, frozenFrom: 1 })
    expect(await pass()).toMatchObject({ kind: 'whole' })
    expect(steps).toContain('forward')
  })

  it('asks nobody where the freeze came while the tool was looked up', async () => {
    const { steps, pass } = world({ effect: 'require_approval', frozenFrom: 2 })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'frozen' } })
    expect(steps).not.toContain('hold')
  })

  it('[REQ-FREEZE-1] leaves the fence alone where the freeze came while people thought', async () => {
    const { steps, recorded, pass } = world({ effect: 'require_approval', frozenFrom: 3 })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'frozen' } })
    expect(steps).not.toContain('fence')
    expect(steps).not.toContain('forward')
    expect(recorded.at(-1)).toMatchObject({ ...refused, approval_id: 'apr_1' })
  })

  it('[REQ-FREEZE-1] does not forward where the freeze came behind the fence', async () => {
    const { steps, recorded, kept, pass } = world({ effect: 'require_approval', frozenFrom: 4 })
    await expect(pass()).rejects.toMatchObject({ code: 'frozen' })
    expect(steps).not.toContain('forward')
    expect(steps).toContain('return')
    expect(recorded.at(-1)).toMatchObject(refused)
    expect(kept).toMatchObject([{ kind: 'fault', code: 'frozen' }])
  })

  it('does not forward an allowed call where the freeze came while its intent was recorded', async () => {
    const { steps, recorded, pass } = world({ effect: 'allow', frozenFrom: 2 })
    await expect(pass()).rejects.toMatchObject({ code: 'frozen' })
    expect(steps).not.toContain('forward')
    expect(recorded.at(-1)).toMatchObject(refused)
  })

  it('gives a call that ran before the freeze its answer, and never says that it was not executed', async () => {
    const known = await knownApproval()
    const json = '{"jsonrpc":"2.0","id":9,"result":{"content":[]}}'
    const { steps, pass } = world({
      effect: 'require_approval',
      rejoins: known.id,
      known,
      fence: 'consumed',
      runEnds: { state: 'finished', callId: 'call_0' as CallId, answer: { kind: 'message', json } },
      frozenFrom: 1,
    })
    expect(await pass()).toMatchObject({ kind: 'whole' })
    expect(steps).not.toContain('forward')
  })

  it('stops a call that comes back and has not run', async () => {
    const known = await knownApproval()
    const { steps, pass } = world({ effect: 'require_approval', rejoins: known.id, known, frozenFrom: 1 })
    expect(await pass()).toMatchObject({ kind: 'stopped', stop: { why: 'frozen' } })
    expect(steps).not.toContain('fence')
  })

  it('asks an upstream nothing about its task, which may still be cancelled there', async () => {
    const { steps, follow } = world({ effect: 'allow', known: approve(anApproval()), frozenFrom: 1 })
    await expect(follow('tasks/get')).rejects.toMatchObject({ code: 'frozen' })
    expect(steps).not.toContain('forward')
    expect(await follow('tasks/cancel')).toMatchObject({ kind: 'whole' })
    expect(steps).toContain('forward')
  })
})

/** As people approved it, with the fingerprint of the call that asked. */
async function knownApproval(): Promise<Approval> {
  const first = world({ effect: 'require_approval', patience: AbortSignal.abort(), undecided: true })
  const reply = await first.pass()
  if (reply.kind !== 'pending') throw new Error('not pending')
  return approve(reply.approval)
}

const CONTINUES = { approvalId: 'apr_1' as ApprovalId, nonce: 'unused' }
