/**
 * The seam by way of botbuilder: the connector that its adapters stand on, without the adapters, which would decide
 * what an activity is answered and when.
 *
 * An incoming token is checked by us first (token-check.ts says why) and then by the library as it checks for any bot,
 * with the addresses of our cloud. Its key sets live for as long as the process does and are read anew once an hour at
 * most, by address: the fragment gives each set of keys that we read an address of its own, and is never sent.
 */
import { ConfigurationBotFrameworkAuthentication } from 'botbuilder'
import {
  AuthenticationError,
  ConnectorClient,
  JwtTokenProviderFactory,
  PasswordServiceClientCredentialFactory,
} from 'botframework-connector'
import type { JsonObject } from '../../src/json/value.ts'
import { byClientSecret, createAppTokens, type IssuedToken, withinTokenTime } from './app-token.ts'
import { type Call, type ConnectorLibrary, createConnector, type LibraryParts } from './connector.ts'
import { createTokenCheck } from './token-check.ts'
import { type Transport, Unauthenticated } from './transport.ts'

export function createBotbuilderTransport(parts: LibraryParts): Transport {
  const { settings, endpoints, clock } = parts
  const { appPassword } = settings
  const issue =
    appPassword === null
      ? byManagedIdentity(settings.appId)
      : byClientSecret({ ...settings, ...endpoints, appPassword, clock })
  return createConnector({
    ...{ library, settings, endpoints, tokens: createAppTokens(clock, issue) },
    verify: createVerify(parts),
  })
}

// ---- what comes in

function createVerify({ settings, endpoints, clock, log }: LibraryParts): Transport['verify'] {
  const check = createTokenCheck({ ...endpoints, appId: settings.appId, clock, log })
  let theirs: ReturnType<typeof authenticationOf> | null = null
  let generation = -1
  return async (authorization, activity) => {
    const verified = await check.verify(authorization, activity)
    if (theirs === null || generation !== check.generation()) {
      generation = check.generation()
      theirs = authenticationOf(settings.appId, endpoints, generation)
    }
    const asked = theirs.authenticateRequest(
      activity as unknown as Parameters<typeof theirs.authenticateRequest>[0],
      authorization ?? '',
    )
    await withinTokenTime(asked).catch((cause: unknown) => {
      throw isRefusal(cause) ? new Unauthenticated('botbuilder refused the token', { cause }) : cause
    })
    return verified
  }
}

function authenticationOf(appId: string, endpoints: LibraryParts['endpoints'], generation: number) {
  const { login, scope, issuer, openIdMetadata } = endpoints
  return new ConfigurationBotFrameworkAuthentication(
    {
      // Where a cloud's addresses are given, its name is not looked at.
      ChannelService: '',
      ToChannelFromBotLoginUrl: login,
      ToChannelFromBotOAuthScope: scope,
      ToBotFromChannelTokenIssuer: issuer,
      ToBotFromChannelOpenIdMetadataUrl: `${openIdMetadata}#${generation}`,
      // Of users' sign-ins and of emulators: nothing of ours asks or takes those.
      OAuthUrl: login,
      ToBotFromEmulatorOpenIdMetadataUrl: openIdMetadata,
      CallerId: '',
    },
    // For the audience alone; our own tokens are got elsewhere.
    new PasswordServiceClientCredentialFactory(appId, ''),
    { requiredEndorsements: ['msteams'] } as never,
  )
}

/** A key that doesn't fit throws an error of jsonwebtoken, which the library passes on as it is. */
function isRefusal(error: unknown): boolean {
  if (error instanceof AuthenticationError) return error.statusCode === 401 || error.statusCode === 403
  return error instanceof Error && ['JsonWebTokenError', 'TokenExpiredError', 'NotBeforeError'].includes(error.name)
}

// ---- what goes out

const library: ConnectorLibrary = {
  send: (call, { conversationId, activity }) =>
    clientOf(call).conversations.sendToConversation(conversationId, activity as Sendable),
  update: (call, { conversationId, activityId, activity }) =>
    clientOf(call).conversations.updateActivity(conversationId, activityId, activity as Sendable),
  createConversation: (call, parameters) => clientOf(call).conversations.createConversation(parameters as never),
  member: (call, { conversationId, id }) => clientOf(call).conversations.getConversationMember(conversationId, id),
  membersPage: (call, { conversationId, pageSize, continuationToken }) =>
    clientOf(call).conversations.getConversationPagedMembers(conversationId, {
      pageSize,
      // Undefined is left out; their type wants a text.
      continuationToken: (continuationToken ?? undefined) as string,
    }),
}

type Sendable = JsonObject & Parameters<ConnectorClient['conversations']['sendToConversation']>[1]
type HttpClient = NonNullable<NonNullable<ConstructorParameters<typeof ConnectorClient>[1]>['httpClient']>

/**
 * One for each call: what it is sent by knows that call. Its pipeline would repeat what was answered 429 or 5xx; it sees
 * such answers only as errors of ours, which it passes on.
 */
function clientOf(call: Call): ConnectorClient {
  const credentials = {
    async signRequest(request: Parameters<HttpClient['sendRequest']>[0]) {
      request.headers.set('authorization', `Bearer ${call.token}`)
      return request
    },
  }
  const httpClient: HttpClient = {
    async sendRequest(request) {
      const { method, url, body } = request
      const headers = request.headers.toJson()
      const answer = await call.fetch({ method, url, headers, body: typeof body === 'string' ? body : undefined })
      return { request, status: answer.status, headers: request.headers.clone(), bodyAsText: answer.text }
    },
  }
  return new ConnectorClient(credentials, { baseUri: call.serviceUrl, httpClient })
}

function byManagedIdentity(appId: string): (scope: string) => Promise<IssuedToken> {
  const provider = new JwtTokenProviderFactory().createAzureServiceTokenProvider(appId)
  return async (scope) => {
    const issued = await withinTokenTime(provider.getToken(scope))
    if (issued === null) throw new Error('the managed identity gave no token')
    return { token: issued.token, expiresAt: issued.expiresOnTimestamp }
  }
}
