/** What policy is asked, and what it says. The words are fixed: allow, deny, require_approval. */
import type { EpochMs, PolicyVersion } from '../brands.ts'
import type { Principal } from '../identity/principal.ts'
import type { JsonObject, JsonValue } from '../json/value.ts'

export type Effect = 'allow' | 'deny' | 'require_approval'

/** One MCP message as policy sees it. */
export interface PolicyInput {
  readonly upstream: string
  /** JSON-RPC method, or a pseudo-method for what has none: `response`, `stream/get`, `session/delete`. */
  readonly method: string
  /** `params.name` of a tools/call; null for every other method. */
  readonly tool: string | null
  /** `params.arguments` of a tools/call, else `params`. */
  readonly arguments: JsonValue
  readonly principal: Principal
  /** The tool's definition as the upstream lists it, where known: `tool.annotations` in conditions. */
  readonly toolDefinition: JsonObject | null
  readonly now: EpochMs
}

/** How a call that needs approval is put to people. Durations in milliseconds. */
export interface ApprovalTerms {
  /** Names of people.groups; empty: anyone in the channel except the requester and the agent's owner. */
  readonly from: readonly string[]
  /** How many distinct reviewers must approve. */
  readonly quorum: number
  readonly deadlineMs: number
  /** How long an approved, unused single-use grant stays open for the agent to come back. */
  readonly useWithinMs: number
  /** Channels that show the card; empty: every configured channel. */
  readonly channels: readonly ChannelName[]
  /** Rooms of a channel that show it instead of that channel's own, such as `slack:C0123`; see Place in ports.ts. */
  readonly rooms: readonly string[]
  readonly strength: Strength
  /** Approve is refused until the reviewer has opened what didn't fit on their card. */
  readonly readAll: boolean
  /** For how long an approver may let the same agent call the same tool without asking again, ascending; empty: never. */
  readonly allowForMs: readonly number[]
  /** Whether a standing grant (see grant/standing.ts) passes calls of this rule. */
  readonly acceptsGrants: boolean
  /** Ascending by `afterMs`, each before the deadline. */
  readonly steps: readonly TermsStep[]
  /** Null: the same people at all hours. */
  readonly hours: WorkingHours | null
}

/**
 * What an approval takes: one tap, a second one on what was read, or signing in anew at the gateway. A denial takes one
 * tap always.
 */
export type Strength = 'click' | 'confirm' | 'step_up'

/** What happens while nobody decides. */
export type TermsStep =
  | { readonly type: 'remind'; readonly afterMs: number }
  | {
      readonly type: 'escalate'
      readonly afterMs: number
      /** May review from then on, besides those of the rule. */
      readonly from: readonly string[]
      readonly rooms: readonly string[]
    }

/** When `from` is asked; at other times `otherwise` is. */
export interface WorkingHours {
  /** 0 is Sunday. */
  readonly days: readonly number[]
  /** Minutes since midnight in `zone`; `toMinute` is out of it, and greater than `fromMinute`. */
  readonly fromMinute: number
  readonly toMinute: number
  /** IANA name, such as Europe/Berlin. */
  readonly zone: string
  readonly otherwise: readonly string[]
}

export type ChannelName = 'slack' | 'teams' | 'console'

export interface Decision {
  readonly effect: Effect
  /** Id of the rule that decided: the policy's own, or `default` / `builtin:…`. */
  readonly rule: string
  /** The rule's reason, in its author's words; null where the rule gives none. */
  readonly reason: string | null
  /** Set exactly when effect is require_approval. */
  readonly approval: ApprovalTerms | null
}

/** What is known of a call that nobody has made yet: all but its time, and its params but for some. */
export interface OutlookInput {
  readonly upstream: string
  readonly method: string
  /** As in PolicyInput. */
  readonly tool: string | null
  /** The members of `params` that are known, for instance a resource's `uri`; empty for a tools/call. */
  readonly params: JsonObject
  readonly principal: Principal
  /** The tool as it was just listed. */
  readonly toolDefinition: JsonObject | null
}

/** What policy could ever say. */
export interface Outlook {
  /** False where no params and no time of day could have it allowed, by a rule or by a person. */
  readonly possible: boolean
  /** Whether calls that are not denied wait for approval. */
  readonly approval: 'never' | 'sometimes' | 'always'
}

export interface Policy {
  readonly version: PolicyVersion
  /** Pure: the same input gives the same decision. Never throws: a condition that fails restricts. */
  evaluate(input: PolicyInput): Decision
  /** Pure too; see policy/outlook.ts. */
  outlook(input: OutlookInput): Outlook
  /** Whether a rule could have calls of this upstream's tools held. */
  canHold(upstream: string): boolean
}
