/** The policy file's own tests, run against the policy that they came with. */
import { epochMs, principalId } from '../brands.ts'
import type { Principal } from '../identity/principal.ts'
import type { JsonObject, JsonValue } from '../json/value.ts'
import type { ApprovalTerms, Decision, Policy, PolicyInput } from './decision.ts'
import { reviewersAt } from './hours.ts'
import type { PolicyTest } from './policy-file.ts'

export interface TestFailure {
  readonly at: number
  readonly message: string
  readonly cure: string
}

export function runPolicyTests(policy: Policy, tests: readonly PolicyTest[]): TestFailure[] {
  return tests.flatMap((test, at) => {
    const decision = policy.evaluate(inputOf(test.call))
    const differences = compare(test, decision)
    if (differences.length === 0) return []
    const message = `test "${test.name}" fails: ${differences.join('; ')}`
    return [{ at, message, cure: 'Correct the rules, or the test if it is the test that is wrong.' }]
  })
}

type Differ = (what: string, wanted: string, got: string) => void

function compare(test: PolicyTest, decision: Decision): string[] {
  const { expect } = test
  const differences: string[] = []
  const differ: Differ = (what, wanted, got) => {
    if (wanted !== got) differences.push(`expected ${what} ${wanted}, got ${got}`)
  }
  differ('effect', expect.effect, decision.effect)
  if (expect.rule !== undefined) differ('rule', expect.rule, decision.rule)
  if (expect.reason !== undefined) differ('reason', expect.reason, decision.reason ?? '')
  compareTerms(test, decision.approval, differ)
  // Which rule it was is what one needs to know to correct it.
  if (differences.length > 0 && expect.rule === undefined) differences.push(`rule ${decision.rule} decided`)
  return differences
}

function compareTerms({ expect, call }: PolicyTest, terms: Decision['approval'], differ: Differ): void {
  const { strength, quorum, from } = expect
  const got = (value: (terms: ApprovalTerms) => string) => (terms === null ? 'no approval' : value(terms))
  const names = (list: readonly string[]) => (list.length === 0 ? 'anyone' : [...list].sort().join(', '))
  const asked = (terms: ApprovalTerms) => names(reviewersAt(terms, instantOf(call)).from)
  if (strength !== undefined)
    differ(
      'strength',
      strength,
      got((asks) => asks.strength),
    )
  if (quorum !== undefined)
    differ(
      'quorum',
      String(quorum),
      got((asks) => String(asks.quorum)),
    )
  if (from !== undefined) differ('from', names(from), got(asked))
}

const instantOf = (call: PolicyTest['call']) => epochMs(Date.parse(call.now))

function inputOf(call: PolicyTest['call']): PolicyInput {
  const toolCall = call.method === 'tools/call'
  return {
    upstream: call.upstream,
    method: call.method,
    tool: toolCall ? (call.tool ?? null) : null,
    arguments: call.arguments as JsonValue,
    principal: principalOf(call.principal),
    toolDefinition: call.annotations ? { annotations: call.annotations as JsonObject } : null,
    now: instantOf(call),
  }
}

function principalOf(given: PolicyTest['call']['principal']): Principal {
  const { issuer, subject, groups, scopes } = given
  const claims: JsonObject = { iss: issuer, sub: subject, ...(given.claims as JsonObject) }
  const [client, email] = [given.client ?? null, given.email ?? null]
  const id = principalId(issuer, subject)
  return { id, issuer, subject, client, email, vouchedEmail: email, groups, scopes, claims }
}
