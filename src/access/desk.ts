/**
 * Where people ask for elevated access and give it back. A request becomes an approval like any other: it is held,
 * shown, reviewed and recorded by the same parts, and only its approval opens a grant.
 *
 *   who asks -> what of -> does policy offer it to them -> hold -> record -> they are told
 *
 * Nothing of the wish is trusted but who asks, whom the channel has verified: the tools must be listed by the upstream,
 * the entry of policy is looked up anew, and the grant's owner is always the one who asks.
 */
import { ACCESS_TOOL, type Approval, agentAtFirst } from '../approval/approval.ts'
import { askedAt } from '../approval/asked.ts'
import { fingerprintOf } from '../approval/fingerprint.ts'
import type { ApprovalId, CallId, PolicyVersion } from '../brands.ts'
import { epochMs, principalId } from '../brands.ts'
import { formatDuration } from '../config/duration.ts'
import { GatewayError } from '../errors.ts'
import { isHolder, type StandingGrant } from '../grant/standing.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
import { canonicalJson } from '../json/canonical.ts'
import type { JsonObject } from '../json/value.ts'
import type { Reviewer } from '../people/reviewer.ts'
import { type AccessRule, accessRulesFor, accessRulesOn } from '../policy/access-rules.ts'
import type { ChannelName } from '../policy/decision.ts'
import type { CompiledPolicy } from '../policy/evaluate.ts'
import type {
  AccessDesk,
  AccessInput,
  AccessOffer,
  AccessOutcome,
  AccessPreview,
  AccessWish,
  ApprovalStore,
  Clock,
  Holds,
  Ids,
  Log,
  People,
  Recorder,
  RevokeOutcome,
  Runs,
  Sessions,
  StandingGrants,
  ToolListing,
} from '../ports.ts'
import { mayReview } from '../review/review.ts'
import { ACCESS_PENDING_MAX, ACCESS_REASON_CHARS_MAX, ACCESS_TOOLS_MAX, type AccessRequest } from './access.ts'
import { forecast } from './forecast.ts'

export interface AccessDeskOptions {
  readonly policy: Pick<CompiledPolicy, 'access' | 'decisionsForOwner'> & { readonly version: PolicyVersion }
  readonly upstreams: readonly string[]
  /** Where an entry of policy names no channel, the card goes to all of these. */
  readonly channels: readonly ChannelName[]
  readonly listing: ToolListing
  readonly people: Pick<People, 'isMember'>
  /** Whether this person may end anything. */
  readonly isOperator: (person: Reviewer) => Promise<boolean>
  readonly holds: Pick<Holds, 'open'>
  readonly approvals: Pick<ApprovalStore, 'get' | 'apply'>
  readonly runs: Pick<Runs, 'delivered'>
  /** What ends there is recorded, and people are told, by the jobs. */
  readonly grants: Pick<StandingGrants, 'get' | 'end'>
  readonly sessions: Sessions
  readonly recorder: Recorder
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
}

/** A minute is the least that an entry of policy can offer. */
const SHORTEST_MS = 60_000
/** The form is open already and waits for its options. */
const OFFER_WITHIN_MS = 10_000
/** Slack shows a form that is not acknowledged within three seconds as failed; who asks is looked up before. */
const CHECK_WITHIN_MS = 1_000

export function createAccessDesk(options: AccessDeskOptions): AccessDesk {
  return {
    upstreams: (requester) => upstreamsFor(options, requester),
    offer: (requester, upstream, age = 'fresh') => offer(options, requester, upstream, age),
    preview: (wish) => preview(options, wish),
    request: (wish) => request(options, wish),
    revoke: (order) => revoke(options, order),
  }
}

async function upstreamsFor(options: AccessDeskOptions, requester: Reviewer): Promise<readonly string[]> {
  const { policy, upstreams } = options
  const offered = await rulesOpenTo(options, requester, policy.access)
  return upstreams.filter((upstream) => accessRulesOn(offered, upstream).length > 0)
}

async function offer(
  options: AccessDeskOptions,
  requester: Reviewer,
  upstream: string,
  age: 'fresh' | 'cached',
): Promise<AccessOffer> {
  const rules = await rulesOpenTo(options, requester, accessRulesOn(options.policy.access, upstream))
  if (rules.length === 0) return { tools: [], offersAll: false, longestMs: 0 }
  const withinMs = age === 'fresh' ? OFFER_WITHIN_MS : CHECK_WITHIN_MS
  const listed = await options.listing.tools(upstream, { age, withinMs })
  const tools = [...listed]
    .filter(([name]) => accessRulesFor(rules, { upstream, tools: [name] }).length > 0)
    .map(([name, { description }]) => ({ name, description: typeof description === 'string' ? description : null }))
  return {
    tools,
    offersAll: accessRulesFor(rules, { upstream, tools: ['*'] }).length > 0,
    longestMs: Math.max(...rules.map(({ longestMs }) => longestMs)),
  }
}

/** Those entries that let this person ask. Each group is asked about once. */
async function rulesOpenTo(
  { people }: AccessDeskOptions,
  { email, ...rest }: Reviewer,
  rules: readonly AccessRule[],
): Promise<readonly AccessRule[]> {
  // Whose agents the grant would be for can't be told.
  if (email === null) return []
  const open: AccessRule[] = []
  const answers = new Map<string, Promise<boolean>>()
  for (const rule of rules) {
    const key = rule.for.join('\n')
    const answer = answers.get(key) ?? (rule.for.length === 0 ? Promise.resolve(true) : isFor(rule))
    answers.set(key, answer)
    if (await answer) open.push(rule)
  }
  return open

  function isFor(rule: AccessRule): Promise<boolean> {
    return people.isMember({ email, ...rest }, rule.for, 'click')
  }
}

async function ruleFor(
  options: AccessDeskOptions,
  { requester, upstream, tools }: Pick<AccessWish, 'requester' | 'upstream' | 'tools'>,
): Promise<AccessRule | null> {
  const about = accessRulesFor(options.policy.access, { upstream, tools })
  return (await rulesOpenTo(options, requester, about))[0] ?? null
}

async function preview(
  options: AccessDeskOptions,
  wish: Pick<AccessWish, 'requester' | 'upstream' | 'tools'>,
): Promise<AccessPreview> {
  const rule = await ruleFor(options, wish)
  if (rule === null) {
    const why =
      wish.tools.length > 1
        ? 'No entry of the policy’s access list lets you ask for all of these together. Ask for fewer at a time.'
        : 'No entry of the policy’s access list lets you ask for this.'
    return { rule: null, from: [], quorum: 0, longestMs: null, sentences: [why] }
  }
  const { from } = askedAt(rule.terms, options.clock.now())
  const { quorum } = rule.terms
  const sentences = await forecasts(options, wish)
  return { rule: rule.id, from, quorum, longestMs: rule.longestMs, sentences }
}

async function forecasts(
  { policy, listing }: AccessDeskOptions,
  { requester, upstream, tools }: Pick<AccessWish, 'requester' | 'upstream' | 'tools'>,
): Promise<readonly string[]> {
  const listed = await listing.tools(upstream, { age: 'cached', withinMs: OFFER_WITHIN_MS })
  const all = tools.includes('*')
  const principal = { ...asPrincipal(requester), vouchedEmail: requester.email, groups: [], scopes: [], claims: {} }
  const sentences = (all ? [...listed.keys()] : tools).map((tool) => {
    const toolDefinition = listed.get(tool) ?? null
    return forecast(
      tool,
      policy.decisionsForOwner({ upstream, method: 'tools/call', tool, params: {}, principal, toolDefinition }),
    )
  })
  return all ? ['And whatever it lists later, as the policy’s rules then say.', ...sentences] : sentences
}

/** A person is a principal of the channel that verified them: `slack:T0123` says so of U0456, `teams:<tenant>` of <oid>. */
function asPrincipal({ id, email, otherAddresses = [] }: Reviewer): PrincipalSummary {
  const colon = id.lastIndexOf(':')
  const [issuer, subject] = [id.slice(0, colon), id.slice(colon + 1)]
  const others = otherAddresses.length === 0 ? {} : { otherNames: otherAddresses }
  return { id: principalId(issuer, subject), issuer, subject, client: null, email, ...others }
}

// ---- asking

type Refused = Extract<AccessOutcome, { readonly ok: false }>

const refused = (input: AccessInput | null, message: string): Refused => ({ ok: false, input, message })

async function request(options: AccessDeskOptions, asked: AccessWish): Promise<AccessOutcome> {
  const { requester } = asked
  const ownerEmail = requester.email?.toLowerCase() ?? null
  if (ownerEmail === null) {
    return refused(null, 'Your e-mail address is not confirmed, so nobody can tell which agents are yours.')
  }
  const extended = asked.extends === null ? null : await extendedBy(options, asked.extends, ownerEmail)
  if (extended !== null && 'ok' in extended) return extended
  // What an extension is about is the grant's to say.
  const { upstream, tools } = extended ?? asked
  const wish = { ...asked, upstream, tools: [...new Set(tools)].sort(), reason: asked.reason.trim() }
  const problem = problemOf(options, wish) ?? (extended === null ? await unlisted(options, wish) : null)
  if (problem !== null) return problem
  const rule = await ruleFor(options, wish)
  if (rule === null) return refused('tools', 'No entry of the policy’s access list lets you ask for this.')
  if (wish.durationMs > rule.longestMs) {
    return refused('duration', `At most ${formatDuration(rule.longestMs)}: rule ${rule.id} offers no longer.`)
  }
  return open(options, { ...wish, ownerEmail }, rule)
}

async function extendedBy(
  { grants, clock }: AccessDeskOptions,
  id: StandingGrant['id'],
  ownerEmail: string,
): Promise<StandingGrant | Refused> {
  const grant = await grants.get(id)
  const isTheirs = grant?.holder.kind === 'owner' && grant.holder.email === ownerEmail
  // Somebody else's is no more known than none at all.
  if (grant === null || !isTheirs) return refused(null, 'You have no such grant.')
  if (grant.state !== 'active' || grant.expiresAt <= clock.now()) {
    return refused(null, 'That grant has ended. Ask for a new one.')
  }
  return grant
}

function problemOf({ upstreams }: AccessDeskOptions, wish: AccessWish): Refused | null {
  const { tools, reason, durationMs, upstream } = wish
  if (!upstreams.includes(upstream)) return refused('upstream', 'There is no such upstream any more.')
  if (tools.length === 0) return refused('tools', 'Choose at least one tool.')
  if (tools.length > ACCESS_TOOLS_MAX) {
    return refused('tools', `Choose at most ${ACCESS_TOOLS_MAX}: reviewers read them all.`)
  }
  if (tools.includes('*') && tools.length > 1)
    return refused('tools', 'All tools, or some of them: choose one of both.')
  if (!Number.isSafeInteger(durationMs) || durationMs < SHORTEST_MS) {
    return refused('duration', `Choose at least ${formatDuration(SHORTEST_MS)}.`)
  }
  if (reason === '') return refused('reason', 'Say what you need it for: reviewers decide by that.')
  if (reason.length > ACCESS_REASON_CHARS_MAX) {
    return refused('reason', `Keep it to ${ACCESS_REASON_CHARS_MAX} characters.`)
  }
  return null
}

async function unlisted({ listing }: AccessDeskOptions, { upstream, tools }: AccessWish): Promise<Refused | null> {
  if (tools.includes('*')) return null
  let listed: ReadonlyMap<string, JsonObject>
  try {
    listed = await listing.tools(upstream, { age: 'cached', withinMs: CHECK_WITHIN_MS })
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return refused('upstream', 'Its tools could not be listed just now. Try again in a moment.')
  }
  const missing = tools.filter((tool) => !listed.has(tool)).length
  if (missing === 0) return null
  return refused('tools', `${missing === 1 ? 'One of these is' : `${missing} of these are`} not listed by ${upstream}.`)
}

async function open(options: AccessDeskOptions, wish: AccessRequest, rule: AccessRule): Promise<AccessOutcome> {
  const approval = await approvalOf(options, wish, rule)
  try {
    const opened = await options.holds.open(approval)
    switch (opened.outcome) {
      case 'opened':
        await recordRequested(options, opened.approval)
        return { ok: true, approval: opened.approval, wasAsked: false }
      case 'joined':
        return { ok: true, approval: opened.approval, wasAsked: true }
      case 'settled':
        return again(options, opened.approval)
      case 'granted':
      case 'begun':
        return refused(null, 'The same was approved a moment ago: look at your grants.')
    }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'too_many_holds') throw error
    return refused(null, `You have ${ACCESS_PENDING_MAX} requests open, or too many questions are open in all.`)
  }
}

/** The next time it is a new question: whoever took theirs back may ask again, and who was denied must say something new. */
async function again({ runs }: AccessDeskOptions, { id, state, reviews }: Approval): Promise<Refused> {
  if (state !== 'denied') {
    await runs.delivered(id)
    return refused(null, 'The same was taken back a moment ago. Ask once more if you still need it.')
  }
  const by = reviews.findLast(({ choice }) => choice === 'deny')?.reviewer.name ?? 'a reviewer'
  return refused('reason', `The same was denied a moment ago by ${by}. Say what is different now.`)
}

async function approvalOf(options: AccessDeskOptions, wish: AccessRequest, rule: AccessRule): Promise<Approval> {
  const { ids, clock, channels, policy, sessions } = options
  const { terms } = rule
  const principal = asPrincipal(wish.requester)
  const shown = {
    tools: [...wish.tools],
    duration: formatDuration(wish.durationMs),
    reason: wish.reason,
    ...(wish.extends === null ? {} : { extends: wish.extends }),
  }
  const requestedAt = clock.now()
  return {
    id: ids.next('apr') as ApprovalId,
    state: 'pending',
    version: 1,
    fingerprint: fingerprintOf({
      principal: principal.id,
      upstream: wish.upstream,
      tool: ACCESS_TOOL,
      arguments: shown,
      inputResponses: null,
      toolDefinition: null,
      policy: policy.version,
    }),
    callId: ids.next('call') as CallId,
    sessionId: await sessions.touch(principal, wish.upstream),
    principal,
    upstream: wish.upstream,
    tool: ACCESS_TOOL,
    argumentsJson: canonicalJson(shown),
    otherParamsJson: '{}',
    rule: rule.id,
    reason: rule.reason,
    ...askedAt(terms, requestedAt),
    quorum: terms.quorum,
    channels: terms.channels.length === 0 ? channels : terms.channels,
    requestedAt,
    expiresAt: epochMs(requestedAt + terms.deadlineMs),
    useWithinMs: terms.useWithinMs,
    agent: agentAtFirst('waiting'),
    reviews: [],
    resolvedAt: null,
    cancelReason: null,
    run: null,
    access: wish,
    annotations: null,
    statedReason: null,
    strength: terms.strength,
    readAll: terms.readAll,
    // How long is asked for already.
    allowForMs: [],
    allowedForMs: null,
    rooms: terms.rooms,
    reminders: { count: 0, lastAt: null },
    remarks: [],
    standing: null,
  }
}

/** Nobody is asked what is not recorded. */
async function recordRequested(options: AccessDeskOptions, approval: Approval): Promise<void> {
  const { recorder, approvals, runs, clock, log } = options
  const { id, callId, sessionId, fingerprint, principal, upstream, tool, rule, expiresAt, channels } = approval
  try {
    await recorder.record(
      {
        type: 'approval.requested',
        at: approval.requestedAt,
        session_id: sessionId,
        approval_id: id,
        call_id: callId,
        ...{ fingerprint, principal, upstream, tool, rule, expires_at: expiresAt, channels },
      },
      'written',
    )
  } catch (error) {
    await approvals
      .apply(id, { type: 'cancelled', reason: 'The recording failed.', at: clock.now() })
      .catch(() => log.error('could not take back a request for access', { approval_id: id }))
    await runs.delivered(id)
    throw error
  }
}

// ---- giving back

async function revoke(
  options: AccessDeskOptions,
  { grantId, by }: Parameters<AccessDesk['revoke']>[0],
): Promise<RevokeOutcome> {
  const grant = await options.grants.get(grantId)
  if (grant === null) return { ok: false, message: 'There is no such grant any more.' }
  if (!(await mayRevoke(options, grant, by))) {
    return { ok: false, message: 'Only its holder, whoever may review it, and operators can revoke this grant.' }
  }
  const ended = await options.grants.end(grantId, { state: 'revoked', by })
  return ended === null ? { ok: false, message: 'It had ended already.' } : { ok: true, grant: ended }
}

async function mayRevoke(options: AccessDeskOptions, grant: StandingGrant, by: Reviewer): Promise<boolean> {
  if (isHolder(grant, by) || (await options.isOperator(by))) return true
  const approval = await options.approvals.get(grant.approvalId)
  return approval !== null && (await mayReview(approval, by, options.people, 'click')) === null
}
