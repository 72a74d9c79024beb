/**
 * The seam by way of @microsoft/agents-hosting: its ConnectorClient, and its managed identity.
 *
 * Its own check of incoming tokens isn't used: it reads keys at fixed addresses, so that neither other clouds nor tests
 * could be served, and no endorsements; see token-check.ts. Its telemetry is calls of interfaces that do nothing where
 * no OpenTelemetry is installed, and that is none of ours.
 */
import {
  AuthType,
  ConnectorClient,
  HttpClient,
  type HttpRequestConfig,
  type HttpResponse,
  MessageFactory,
  MsalTokenProvider,
} from '@microsoft/agents-hosting'
import { decodeJwt } from 'jose'
import type { JsonObject } from '../../src/json/value.ts'
import { byClientSecret, createAppTokens, type IssuedToken, withinTokenTime } from './app-token.ts'
import { type Call, type ConnectorLibrary, createConnector, type LibraryParts } from './connector.ts'
import { createTokenCheck } from './token-check.ts'
import type { Transport } from './transport.ts'

export function createAgentsTransport(parts: LibraryParts): Transport {
  const { settings, endpoints, clock } = parts
  const { appPassword } = settings
  const issue =
    appPassword === null
      ? byManagedIdentity(settings.appId)
      : byClientSecret({ ...settings, ...endpoints, appPassword, clock })
  return createConnector({
    ...{ library, settings, endpoints, tokens: createAppTokens(clock, issue) },
    verify: createTokenCheck({ ...parts, ...endpoints, appId: settings.appId }).verify,
  })
}

type Activity = Parameters<ConnectorClient['sendToConversation']>[1]
type ConversationParameters = Parameters<ConnectorClient['createConversation']>[0]

/** The library puts ids into paths as they are. */
const inPath = encodeURIComponent

const library: ConnectorLibrary = {
  send: (call, { conversationId, activity }) =>
    clientOf(call).sendToConversation(inPath(conversationId), activityFrom(activity)),
  update: (call, { conversationId, activityId, activity }) =>
    clientOf(call).updateActivity(inPath(conversationId), inPath(activityId), activityFrom(activity)),
  createConversation: (call, parameters) =>
    // Their type wants a first message; Teams' documentation doesn't.
    clientOf(call).createConversation(parameters as unknown as ConversationParameters),
  member: (call, { conversationId, id }) => clientOf(call).getConversationMember(inPath(id), inPath(conversationId)),
  membersPage: async (call, { conversationId, pageSize, continuationToken }) => {
    // The library has no method for it.
    const url = `v3/conversations/${inPath(conversationId)}/pagedmembers`
    const params = { pageSize: String(pageSize), ...(continuationToken === null ? {} : { continuationToken }) }
    return (await clientOf(call).httpClient.request({ method: 'get', url, params })).data
  },
}

function activityFrom(activity: JsonObject): Activity {
  return Object.assign(MessageFactory.text(''), { text: undefined, inputHint: undefined }, activity)
}

function clientOf(call: Call): ConnectorClient {
  return new BoundedConnectorClient(call)
}

class BoundedConnectorClient extends ConnectorClient {
  constructor(call: Call) {
    super(new BoundedHttpClient(call))
  }
}

/** In place of the library's requests, which have no time limit and follow redirects with the token. */
class BoundedHttpClient extends HttpClient {
  readonly #call: Call
  constructor(call: Call) {
    super({ baseURL: call.serviceUrl, headers: { authorization: `Bearer ${call.token}`, accept: 'application/json' } })
    this.#call = call
  }
  override async request<T = unknown>(config: HttpRequestConfig): Promise<HttpResponse<T>> {
    const { method, url, params = {}, data } = config
    const target = new URL(url.replace(/^\//, ''), this.baseURL.replace(/\/*$/, '/'))
    for (const [name, value] of Object.entries(params)) if (value !== undefined) target.searchParams.set(name, value)
    const headers = { ...this.defaultHeaders, ...(data === undefined ? {} : { 'content-type': 'application/json' }) }
    const body = data === undefined ? undefined : JSON.stringify(data)
    const answer = await this.#call.fetch({ method: method.toUpperCase(), url: target.href, headers, body })
    const read = (answer.text === '' ? {} : JSON.parse(answer.text)) as T
    return { data: read, status: answer.status, statusText: '', headers: answer.headers, config }
  }
}

/** Read where the token doesn't say how long it lives: it is asked for again soon. */
const LIFE_UNKNOWN_MS = 10 * 60_000

/** The library keeps these tokens too, for the whole process: one that is refused stays until it expires. */
function byManagedIdentity(appId: string): (scope: string) => Promise<IssuedToken> {
  const provider = new MsalTokenProvider({ clientId: appId, authType: AuthType.UserManagedIdentity })
  return async (scope) => {
    const token = await withinTokenTime(provider.getAccessToken(scope))
    return { token, expiresAt: expiryOf(token) }
  }
}

function expiryOf(token: string): number {
  try {
    const { exp } = decodeJwt(token)
    if (exp !== undefined) return exp * 1000
  } catch {
    // Entra promises nothing of a token that is another's to read.
  }
  return Date.now() + LIFE_UNKNOWN_MS
}
