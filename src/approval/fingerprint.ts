/**
 * What exactly was approved, as one number: SHA-256 over the canonical JSON (RFC 8785) of everything that a reviewer
 * relied on. Computed before the hold and checked again before lending, so an approval opens the door for this call
 * and no other: not for other arguments, not for another principal, not after the tool or the policy changed.
 */
import { createHash } from 'node:crypto'
import type { Fingerprint, PolicyVersion, PrincipalId } from '../brands.ts'
import { canonicalJson } from '../json/canonical.ts'
import type { JsonValue } from '../json/value.ts'

export interface Fingerprinted {
  readonly principal: PrincipalId
  readonly upstream: string
  readonly tool: string
  /** `params.arguments`; `{}` where the call has none. */
  readonly arguments: JsonValue
  /** What the agent answered to an `input_required` result, and other members of `params`; null where there is none. */
  readonly inputResponses: JsonValue | null
  /** The tool as the upstream lists it; null where it never listed it. */
  readonly toolDefinition: JsonValue | null
  readonly policy: PolicyVersion
}

/** Grows when a member is added, so that an old approval can never equal a new fingerprint. */
const FINGERPRINT_VERSION = 1

export function fingerprintOf(call: Fingerprinted): Fingerprint {
  const { principal, upstream, tool, inputResponses, toolDefinition, policy } = call
  const text = canonicalJson({
    version: FINGERPRINT_VERSION,
    principal,
    upstream,
    tool,
    arguments: call.arguments,
    inputResponses,
    toolDefinition,
    policy,
  })
  return createHash('sha256').update(text, 'utf8').digest('hex') as Fingerprint
}
