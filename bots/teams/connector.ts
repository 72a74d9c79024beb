/**
 * The seam, made of a library's few calls: what is the same whichever library speaks is here, and each library's file
 * says only how it is called. Requests all go out through `fetch` below, under our limits and our reading of what became
 * of them: botbuilder's pipeline would post up to four times by itself, and neither library has a time limit.
 *
 * learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference
 */
import type { TeamsEndpoints, TeamsSettings } from '../../src/config/settings.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { ChannelRefused, type Clock, type Conversation, type Log } from '../../src/ports.ts'
import type { AppTokens } from './app-token.ts'
import { type BoundedAnswer, boundedFetch } from './bounded-fetch.ts'
import { isKnownOrigin, mriOf } from './checks.ts'
import { failureOf, sendingError } from './sending-errors.ts'
import type { TokenCheck } from './token-check.ts'
import type { TeamsMessage, Transport } from './transport.ts'
import { activityOf, conversationIdIn, memberIn, membersIn, messageIdIn } from './wire.ts'

export type TransportSettings = Pick<
  TeamsSettings,
  'appId' | 'tenantId' | 'appType' | 'appPassword' | 'endpoints' | 'library'
>

export interface TransportParts {
  readonly settings: TransportSettings
  readonly clock: Clock
  readonly log: Log
}

export interface LibraryParts extends TransportParts {
  readonly endpoints: TeamsEndpoints
}

/** One request, as a library makes it. */
export interface ConnectorRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

export interface Call {
  readonly serviceUrl: string
  readonly token: string
  /** What a library is to send its requests by. Resolves with a success alone. */
  readonly fetch: (request: ConnectorRequest) => Promise<BoundedAnswer>
}

/** What a library does. Each answers the body that the connector sent. */
export interface ConnectorLibrary {
  send(call: Call, to: { readonly conversationId: string; readonly activity: JsonObject }): Promise<unknown>
  update(
    call: Call,
    to: { readonly conversationId: string; readonly activityId: string; readonly activity: JsonObject },
  ): Promise<unknown>
  createConversation(call: Call, parameters: JsonObject): Promise<unknown>
  member(call: Call, of: { readonly conversationId: string; readonly id: string }): Promise<unknown>
  membersPage(
    call: Call,
    of: { readonly conversationId: string; readonly pageSize: number; readonly continuationToken: string | null },
  ): Promise<unknown>
}

/** The outbox waits for it, no person does. */
const SEND_TIMEOUT_MS = 10_000
/** Within a click: two of them and the review fit into inbound.ts' ANSWER_WITHIN_MS. */
const LOOK_UP_TIMEOUT_MS = 1500
/** learn.microsoft.com/microsoftteams/platform/bots/how-to/get-teams-context: 50 to 500 a page. */
const MEMBERS_PAGE = 500

export interface ConnectorOptions {
  readonly library: ConnectorLibrary
  readonly verify: TokenCheck['verify']
  readonly tokens: AppTokens
  readonly settings: LibraryParts['settings']
  readonly endpoints: TeamsEndpoints
}

export function createConnector(options: ConnectorOptions): Transport {
  const { library, verify, tokens, settings } = options
  const call = createCalls(options)
  return {
    verify,
    token: tokens.token,
    async send(to, message, { replyTo, onlyTo } = {}) {
      const thread = to.kind === 'channel' && replyTo !== undefined ? `;messageid=${replyTo}` : ''
      const about = { serviceUrl: to.serviceUrl, isTargeted: onlyTo !== undefined, ...ONCE }
      const conversationId = to.id + thread
      const activity = outgoing(message, to, onlyTo)
      const answer = await call(about, (one) => library.send(one, { conversationId, activity }))
      return messageIdIn(answer)
    },
    async update(to, messageId, message) {
      const activity = { ...outgoing(message, to), id: messageId }
      const at = { conversationId: to.id, activityId: messageId, activity }
      await call({ serviceUrl: to.serviceUrl, ...AGAIN }, (one) => library.update(one, at))
    },
    async openPersonal({ oid, serviceUrl }) {
      const { tenantId, appId } = settings
      const parameters = {
        isGroup: false,
        bot: { id: mriOf(appId) },
        members: [{ id: oid }],
        tenantId,
        channelData: { tenant: { id: tenantId } },
      }
      // Where there is one already, Teams answers with it.
      const answer = await call({ serviceUrl, ...AGAIN }, (one) => library.createConversation(one, parameters)).catch(
        nullWhere(isUnreachable),
      )
      if (answer === null) return null
      return { id: conversationIdIn(answer), kind: 'personal', tenantId, serviceUrl, oid, teamGroupId: null }
    },
    async member(of, id) {
      const about = { serviceUrl: of.serviceUrl, ...LOOK_UP }
      const answer = await call(about, (one) => library.member(one, { conversationId: of.id, id })).catch(
        nullWhere(isNoMember),
      )
      return answer === null ? null : memberIn(answer)
    },
    async members(of, max) {
      const members = []
      let continuationToken: string | null = null
      do {
        const page = { conversationId: of.id, pageSize: Math.min(MEMBERS_PAGE, max + 1), continuationToken }
        const answer: unknown = await call({ serviceUrl: of.serviceUrl, ...AGAIN }, (one) =>
          library.membersPage(one, page),
        )
        const read = membersIn(answer)
        members.push(...read.members)
        if (members.length > max) throw new ChannelRefused('There are too many members', { code: 'too_many_members' })
        // A page without anybody would be asked for without end.
        continuationToken = read.members.length === 0 ? null : read.continuationToken
      } while (continuationToken !== null)
      return members
    },
  }
  function outgoing(message: TeamsMessage, to: Conversation, onlyTo?: string): JsonObject {
    return activityOf(message, { conversationId: to.id, from: mriOf(settings.appId), onlyTo: onlyTo ?? null })
  }
}

const ONCE = { timeoutMs: SEND_TIMEOUT_MS, isRepeatable: false } as const
const AGAIN = { timeoutMs: SEND_TIMEOUT_MS, isRepeatable: true } as const
const LOOK_UP = { timeoutMs: LOOK_UP_TIMEOUT_MS, isRepeatable: true } as const

interface About {
  readonly serviceUrl: string
  readonly timeoutMs: number
  readonly isRepeatable: boolean
  readonly isTargeted?: boolean
}

/**
 * One call of a library: with a token, to a connector that we know. What was refused for its token is asked once more
 * with a new one: nothing was taken.
 */
function createCalls({ tokens, endpoints }: ConnectorOptions) {
  return async (about: About, work: (call: Call) => Promise<unknown>): Promise<unknown> => {
    // The address came from outside, if long ago and signed: our token goes nowhere else.
    if (!isKnownOrigin(about.serviceUrl, endpoints.connectors)) {
      throw new ChannelRefused('The serviceUrl is none of the connector’s', { code: 'unknown_service_url' })
    }
    try {
      return await work(await callOf(about, tokens, endpoints.scope))
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error
      tokens.forget(endpoints.scope)
      try {
        return await work(await callOf(about, tokens, endpoints.scope))
      } catch (again) {
        throw again instanceof TokenRefused ? again.refusal : again
      }
    }
  }
}

async function callOf(about: About, tokens: AppTokens, scope: string): Promise<Call> {
  const { serviceUrl, timeoutMs, isTargeted } = about
  return {
    serviceUrl,
    token: await tokens.token(scope),
    fetch: async ({ method, url, headers, body }) => {
      const target = new URL(url)
      // learn.microsoft.com/microsoftteams/platform/agents-in-teams/targeted-messages
      if (isTargeted === true) target.searchParams.set('isTargetedActivity', 'true')
      const answer = await boundedFetch(target.href, { method, headers, body, timeoutMs }).catch((error: unknown) => {
        throw failureOf(error, about)
      })
      if (answer.status < 300) return answer
      const fault = sendingError(answer, about)
      throw answer.status === 401 ? new TokenRefused(fault) : fault
    },
  }
}

class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
  readonly refusal: Error
  constructor(refusal: Error) {
    super(refusal.message)
    this.refusal = refusal
  }
}

function nullWhere(expected: (error: ChannelRefused) => boolean): (error: unknown) => null {
  return (error) => {
    if (error instanceof ChannelRefused && expected(error)) return null
    throw error
  }
}

/** They don't have the app, have blocked it, or are none of this tenant. */
function isUnreachable({ code }: ChannelRefused): boolean {
  return UNREACHABLE.has(code)
}

const UNREACHABLE: ReadonlySet<string> = new Set([
  ...['http_403', 'http_404', 'Forbidden', 'ForbiddenOperationException', 'BotNotInConversationRoster'],
  ...['ConversationBlockedByUser', 'BotDisabledByAdmin'],
])

function isNoMember({ code }: ChannelRefused): boolean {
  return ['http_404', 'NotFound', 'MemberNotFoundInConversation', 'ConversationMemberNotFound'].includes(code)
}
