/** The policy file as people write it (YAML), field by field. load.ts checks what refers to other things. */
import { z } from 'zod'
import {
  choice,
  duration,
  email,
  integer,
  list,
  matching,
  oneOrMore,
  optionalText,
  strict,
  text,
} from '../config/fields.ts'
import { say } from '../config/problems.ts'
import { approvalBlock, QUORUM_MAX } from './approval-block.ts'
import { GLOB_CHARS_MAX } from './glob.ts'

export const RULES_MAX = 10_000
const TESTS_MAX = 10_000
/** Each is tried one after the other while a person waits for their form. */
export const ACCESS_RULES_MAX = 1_000
/** A working day; who works longer asks again. More than a week is no exception any more, but a rule of its own. */
const ACCESS_LONGEST_DEFAULT_MS = 8 * 3_600_000
const ACCESS_BOUNDS = { minMs: 60_000, maxMs: 7 * 86_400_000 }

const someGlobs = (example: string) =>
  oneOrMore(
    text(example).refine((value) => value.length <= GLOB_CHARS_MAX, {
      error: say('is too long', `Keep it to ${GLOB_CHARS_MAX} characters.`),
    }),
    1000,
  )
const globs = (example: string) => someGlobs(example).optional()

const effect = choice('allow', 'deny', 'require_approval')

const ruleId = matching(
  /^[a-z0-9][a-z0-9-]{0,62}$/,
  'a rule’s id',
  'Use small letters, digits and -, up to 63.',
).refine((id) => id !== 'default' && !id.startsWith('builtin'), {
  error: say('is reserved', 'Choose an id other than default and builtin….'),
})

const ruleReason = text('Deleting in production needs a second pair of eyes.')
  .refine((value) => value.length <= 500, {
    error: say('is too long', 'Keep it to 500 characters: people read it on a card.'),
  })
  .optional()

const rule = strict({
  id: ruleId,
  match: strict({ upstream: globs('pg-*'), tool: globs('delete_*'), method: globs('resources/read') }).default({}),
  when: text('mcp.tool.arguments.path.startsWith("/tmp/")').optional(),
  effect,
  reason: ruleReason,
  approval: approvalBlock.optional(),
})

/** Opens a door, so that how wide must be written: `*` where everything is meant. */
const accessMatch = strict({ upstream: someGlobs('pg-*'), tool: someGlobs('delete_*') })

const accessRule = strict({
  id: ruleId,
  match: accessMatch,
  for: oneOrMore(text('dba'), 50).default([]),
  approval: approvalBlock.optional(),
  longest: duration(ACCESS_BOUNDS).default(ACCESS_LONGEST_DEFAULT_MS),
  reason: ruleReason,
})

const principal = strict({
  subject: text('alice').default('test'),
  issuer: text('https://issuer.example').default('https://issuer.example'),
  client: text('agent').optional(),
  email: email().optional(),
  groups: list(text('dba'), 1000).default([]),
  scopes: list(text('mcp:tools'), 1000).default([]),
  claims: z.record(z.string(), z.json()).default({}),
})

const policyTest = strict({
  name: text('deleting in production asks two DBAs'),
  call: strict({
    upstream: text('files'),
    tool: text('delete_file').optional(),
    method: text('tools/call').default('tools/call'),
    arguments: z.json().default({}),
    annotations: z.record(z.string(), z.json()).optional(),
    now: z.iso
      .datetime({ offset: true, error: say('is not an instant', 'Write it like 2026-01-31T09:00:00Z.') })
      .default('2026-01-01T12:00:00Z'),
    principal: principal.prefault({}),
  }),
  expect: strict({
    effect,
    rule: text('prod-delete').optional(),
    reason: optionalText('Because.').optional(),
    strength: choice('click', 'confirm', 'step_up').optional(),
    quorum: integer({ min: 1, max: QUORUM_MAX, unit: 'reviewers' }).optional(),
    from: oneOrMore(text('dba'), 50).optional(),
  }),
})

const ALLOW_BY_DEFAULT = say(
  'only deny can be the default',
  'Write deny, and a last rule that allows what should pass.',
)
const NO_SHADOW = say('shadow is not supported yet', 'Write enforce, or leave it out.')

export const policyFile = strict({
  version: z.literal(1, { error: say('must be 1', 'Write version: 1.') }),
  mode: z
    .literal('enforce', {
      error: (issue) => (issue.input === 'shadow' ? NO_SHADOW : say('must be enforce', 'Write enforce.')),
    })
    .default('enforce'),
  defaults: strict({ effect: z.literal('deny', { error: ALLOW_BY_DEFAULT }).default('deny') }).prefault({}),
  rules: list(rule, RULES_MAX),
  access: list(accessRule, ACCESS_RULES_MAX).default([]),
  tests: list(policyTest, TESTS_MAX).default([]),
})

export type PolicyFile = z.output<typeof policyFile>
export type RuleFile = PolicyFile['rules'][number]
export type AccessRuleFile = PolicyFile['access'][number]
export type PolicyTest = PolicyFile['tests'][number]
