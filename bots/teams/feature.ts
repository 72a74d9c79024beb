/**
 * What a feature of Teams answers, and to what. inbound.ts verifies and parses each activity, runs it once, and gives it
 * to the feature whose prefix its name begins with; a feature looks up who it is, decides, and answers with what is drawn.
 *
 * Names travel in cards that are already posted: add, never rename.
 *
 *   Action.Execute   { verb: NAME, data: { …ours, …inputs } }                                → execute
 *   Action.Submit    { data: { msteams: { type: 'task/fetch' }, dialog: NAME, …ours } }      → openDialog
 *   a dialog's own   Action.Submit { data: { dialog: NAME, …ours, …inputs } }                → submitDialog
 *   compose action   commandId: NAME                                                         → openDialog, submitDialog
 *   choices as typed Data.Query { dataset: NAME }                                            → choices
 */
import type { JsonObject } from '../../src/json/value.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Conversation } from '../../src/ports.ts'
import type { AdaptiveCard } from './card-elements.ts'

/** Who acted, as the verified activity says. A reviewer only after reviewers.ts has looked them up. */
export interface TeamsUser {
  /** Entra's object id. */
  readonly oid: string
  /** Ours: others are refused before. */
  readonly tenantId: string
  readonly mri: string
}

export interface Asked {
  readonly user: TeamsUser
  readonly conversation: Conversation
  /** Of the message whose card was clicked; null where there is none. */
  readonly messageId: string | null
  /**
   * In a channel or group chat: only they and we see what they wrote (`recipient.isTargeted`), and only they may see the
   * answer. learn.microsoft.com/microsoftteams/platform/agents-in-teams/targeted-messages
   */
  readonly isTargeted?: boolean
  /** By the compose action, which people have where the bot isn't too: then it knows nobody of the conversation. */
  readonly isCompose?: boolean
}

/** Nobody else reads the answer. */
export function isPrivate({ conversation, isTargeted }: Asked): boolean {
  return conversation.kind === 'personal' || isTargeted === true
}

export type ExecuteAnswer =
  /** The card for this person alone, in place of the one that they clicked. */
  | { readonly kind: 'card'; readonly card: AdaptiveCard }
  /** A sentence to this person alone. */
  | { readonly kind: 'message'; readonly text: string }

export interface Dialog {
  /** Words of ours. */
  readonly title: string
  readonly card: AdaptiveCard
  readonly size?: 'small' | 'medium' | 'large'
}

export type DialogAnswer =
  | ({ readonly kind: 'dialog' } & Dialog)
  /** Closes it with a sentence. */
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'close' }

export interface Feature {
  /** What the names begin with that it answers: `countersign_access_`. The longest that fits is chosen. */
  readonly prefix: string
  /**
   * Those that only show, and may come as a card's `refresh`: Teams sends that for whoever looks at a card, without a
   * click, and people can make cards of their own.
   */
  readonly refreshes?: readonly string[]
  execute?(asked: Asked, name: string, data: JsonObject): Promise<ExecuteAnswer>
  openDialog?(asked: Asked, name: string, data: JsonObject): Promise<DialogAnswer>
  submitDialog?(asked: Asked, name: string, data: JsonObject): Promise<DialogAnswer>
  choices?(
    asked: Asked,
    name: string,
    query: { readonly text: string; readonly data: JsonObject },
  ): Promise<readonly { readonly title: string; readonly value: string }[]>
}

/** Who typed a command: commands.ts has looked them up, also for help. */
export interface CommandAsked extends Asked {
  readonly reviewer: Reviewer
}

/** A message to the bot, in its personal talk or with its mention: the first word is the command's name. */
export interface Command {
  readonly name: string
  /** What follows its name: `agent | upstream | all`. */
  readonly usage: string
  readonly does: string
  run(asked: CommandAsked, words: CommandWords): Promise<CommandAnswer>
}

export interface CommandWords {
  /** What follows the name; mentions of people as `<at:0>`, numbered as in `mentioned`. Untrusted. */
  readonly text: string
  readonly mentioned: readonly { readonly mri: string; readonly oid: string | null }[]
}

export interface CommandAnswer {
  /** Lines for whoever wrote it, where they wrote it: see isPrivate for who reads them. Null: the card says it. */
  readonly message: string | null
  readonly card?: AdaptiveCard
  /** What is to be said once all is done. */
  readonly later?: Promise<string>
}
