/**
 * The seam between this folder and whichever library speaks the Bot Framework's protocol: verify what comes in, send,
 * update, look up. Everything else here knows activities, conversations and cards, and no library. Two files implement
 * it, and `channels.teams.library` chooses: botbuilder's line has ended its support, its wire protocol goes on.
 *
 * learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference
 */
import type { JsonObject } from '../../src/json/value.ts'
import type { Conversation } from '../../src/ports.ts'
import type { AdaptiveCard } from './card-elements.ts'

/** What goes out: one card, and words for where no card is drawn. */
export interface TeamsMessage {
  /** Null: the words alone, as plain text in which Teams renders nothing. */
  readonly card: AdaptiveCard | null
  /** For notifications, and for clients that draw no cards. Plain text of ours, with untrusted parts made visible. */
  readonly summary: string
}

/** One that has a card, as nearly all of ours do. */
export interface CardMessage extends TeamsMessage {
  readonly card: AdaptiveCard
}

/** An activity whose sender the library has verified. Its members are still anyone's: see inbound.ts. */
export interface VerifiedActivity {
  readonly activity: JsonObject
  /** Claims of the token, as they were signed. */
  readonly claims: { readonly audience: string; readonly issuer: string; readonly serviceUrl: string | null }
}

/** A person in a conversation, as the connector has them. */
export interface TeamsMember {
  /** `29:…`, theirs towards this bot alone. */
  readonly mri: string
  /** Entra's object id. */
  readonly oid: string
  readonly tenantId: string | null
  readonly name: string
  /** Entra's `mail`; null where there is none. */
  readonly email: string | null
  readonly userPrincipalName: string | null
  /** `user`, `guest`, `anonymous`, `federated`; null where the connector doesn't say. */
  readonly userRole: string | null
}

/**
 * Verifying rejects with Unauthenticated, or with any other error where it can't be told now: then nothing passes.
 *
 * Sending rejects with ChannelBusy where Teams asks to wait or is away before it took anything, with ChannelRefused where
 * it said no, and with any other error where nobody can tell whether the message was posted.
 */
export interface Transport {
  /** Rejects with Unauthenticated where the signature, issuer, audience, expiry, endorsement or serviceUrl is not right. */
  verify(authorization: string | undefined, activity: JsonObject): Promise<VerifiedActivity>
  /**
   * Answers the new message's id. `replyTo`, the message that a channel's thread began with, puts it in that thread;
   * group chats and talks of two have none.
   */
  send(
    to: Conversation,
    message: TeamsMessage,
    options?: {
      readonly replyTo?: string
      /** The MRI of the one member of a channel or group chat who sees it (`?isTargetedActivity=true`). */
      readonly onlyTo?: string
    },
  ): Promise<string>
  update(to: Conversation, messageId: string, message: TeamsMessage): Promise<void>
  /** The private talk with one person; made where there is none yet. Null: they can't be written to. */
  openPersonal(person: { readonly oid: string; readonly serviceUrl: string }): Promise<Conversation | null>
  /** By MRI or object id; null where they are not in it. */
  member(of: Conversation, id: string): Promise<TeamsMember | null>
  /** All of them, page by page. Rejects where there are more than `max`. */
  members(of: Conversation, max: number): Promise<readonly TeamsMember[]>
  /** An application token of the bot's own, for `https://graph.microsoft.com/.default` and the like; cached. */
  token(scope: string): Promise<string>
}

/** Whoever sent it is not who they say: 401, and nothing of it is looked at. */
export class Unauthenticated extends Error {
  override readonly name = 'Unauthenticated'
}
