/** A policy from text, and calls to put to it. */
import { epochMs } from '../../src/brands.ts'
import { formatProblems } from '../../src/config/problems.ts'
import type { PolicyInput } from '../../src/policy/decision.ts'
import type { CompiledPolicy } from '../../src/policy/evaluate.ts'
import { type LoadedPolicy, loadPolicy, type PolicySurroundings } from '../../src/policy/load.ts'
import { aPrincipal } from './examples.ts'

export const surroundings: PolicySurroundings = {
  file: 'policy.yaml',
  upstreams: ['files', 'pg-prod', 'pg-dev'],
  groups: ['dba', 'editors'],
  channels: ['slack', 'console'],
}

export function load(text: string): LoadedPolicy {
  return loadPolicy(text, surroundings)
}

/** `rules`: YAML of the rules alone. Throws where the policy is refused. */
export function policyOf(rules: string): CompiledPolicy {
  const loaded = load(`version: 1\nrules:\n${rules}`)
  if (!loaded.ok) throw new Error(formatProblems(loaded.problems))
  return loaded.policy
}

/** One rule with one condition, for all tools. */
export function policyWhen(effect: 'allow' | 'deny', condition: string): CompiledPolicy {
  const others = effect === 'deny' ? '\n  - { id: others, effect: allow }' : ''
  return policyOf(`  - id: asked\n    effect: ${effect}\n    when: ${JSON.stringify(condition)}${others}`)
}

export function aCall(change: Partial<PolicyInput> = {}): PolicyInput {
  return {
    upstream: 'files',
    method: 'tools/call',
    tool: 'read_file',
    arguments: {},
    principal: aPrincipal(),
    toolDefinition: null,
    now: epochMs(Date.UTC(2026, 0, 31, 9, 30)),
    ...change,
  }
}
