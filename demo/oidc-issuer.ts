/**
 * A real OIDC provider on loopback in the shape of an Okta authorization server: issuer path `/oauth2/default`, JWT
 * access tokens with `scp` (array), `cid`, `uid`, `groups`, and the owner's login as `sub`.
 *
 * Real in all that the gateway sees: metadata, key set, authorization code with PKCE, resource indicators. Not real in
 * one thing: a person signs in by name alone (`login_hint`), so this is for a demo and for tests, on loopback only.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClientMetadata, Configuration, JWK, KoaContextWithOIDC } from 'oidc-provider'
import { interactionPolicy, Provider } from 'oidc-provider'
import { REDIRECT_URI } from './agent-sign-in.ts'
import { oidcMemory } from './oidc-memory.ts'

export const ISSUER_PATH = '/oauth2/default'

export interface Person {
  /** What Okta puts into `sub`: an e-mail-like login. */
  readonly login: string
  readonly uid: string
  readonly groups: readonly string[]
  /** False: the issuer says that it has not checked the address. */
  readonly emailVerified?: boolean
}

/** A web application whose users sign in here. */
export interface SignInClient {
  readonly clientId: string
  /** Left out: a public client. */
  readonly clientSecret?: string
  readonly redirectUri: string
}

export type SigningKey = JWK & { readonly kid: string }

export interface OidcIssuerOptions {
  readonly people: readonly Person[]
  /** A public client that any agent here uses; PKCE is required of it. */
  readonly clientId: string
  readonly scopes: readonly string[]
  /** 0 or left out: any free port. */
  readonly port?: number
  /** The first signs; all are published. Left out: one new RSA key. */
  readonly keys?: readonly SigningKey[]
  readonly accessTokenTtlSeconds?: number
  /** Sees each request first, its path without the issuer's; true where it has answered. */
  intercept?(path: string, response: ServerResponse): boolean
  /** Who sits before the browser; left out: whom the client names. */
  whoSignsIn?(loginHint: string): string
}

export interface OidcIssuer {
  readonly issuer: string
  readonly keys: readonly SigningKey[]
  /** From the next request on: rotation. */
  replaceKeys(keys: readonly SigningKey[]): void
  /** From the next request on. */
  addClient(client: SignInClient): void
  stop(): Promise<void>
  /** Again on the same port, with the same keys. */
  start(): Promise<void>
}

export async function startOidcIssuer(options: OidcIssuerOptions): Promise<OidcIssuer> {
  let keys = options.keys ?? [newSigningKey()]
  const clients: SignInClient[] = []
  let handle: RequestListener = (_request, response) => response.writeHead(503).end()
  let server = await listen(options.port ?? 0, (request, response) => handle(request, response))
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}${ISSUER_PATH}`
  handle = handlerOf(issuer, options, keys, clients)
  return {
    issuer,
    get keys() {
      return keys
    },
    replaceKeys(next) {
      keys = next
      handle = handlerOf(issuer, options, keys, clients)
    },
    addClient(client) {
      clients.push(client)
      handle = handlerOf(issuer, options, keys, clients)
    },
    async stop() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
    async start() {
      server = await listen(port, (request, response) => handle(request, response))
    },
  }
}

export function newSigningKey(kid: string = randomBytes(8).toString('hex')): SigningKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...(privateKey.export({ format: 'jwk' }) as JWK), kid, alg: 'RS256', use: 'sig' }
}

async function listen(port: number, handle: RequestListener): Promise<Server> {
  const server = createServer(handle)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function handlerOf(
  issuer: string,
  options: OidcIssuerOptions,
  keys: readonly SigningKey[],
  clients: readonly SignInClient[],
): RequestListener {
  const provider = new Provider(issuer, configurationOf(options, keys, clients))
  const callback = provider.callback()
  return (request, response) => {
    const url = request.url ?? ''
    if (!url.startsWith(`${ISSUER_PATH}/`)) {
      response.writeHead(404).end()
      return
    }
    const path = url.slice(ISSUER_PATH.length)
    if (options.intercept?.(path, response)) return
    if (path.startsWith('/interaction/')) {
      void signIn(provider, options, { request, response })
      return
    }
    // As a framework does that mounts it below a path; the provider takes its prefix from the difference.
    Object.assign(request, { url: path, originalUrl: url })
    void callback(request, response)
  }
}

/** The sign-in page, without the page: whoever the client names and is known here is signed in. */
async function signIn(
  provider: Provider,
  { people, whoSignsIn = (login) => login }: OidcIssuerOptions,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<void> {
  try {
    const { params } = await provider.interactionDetails(request, response)
    const asked = whoSignsIn(String(params.login_hint))
    const person = people.find(({ login }) => login === asked)
    const result = person
      ? { login: { accountId: person.login } }
      : { error: 'access_denied', error_description: 'nobody of this name is known here' }
    await provider.interactionFinished(request, response, result)
  } catch {
    if (!response.headersSent) response.writeHead(400)
    response.end()
  }
}

const HOUR_S = 3600

function configurationOf(
  options: OidcIssuerOptions,
  keys: readonly SigningKey[],
  clients: readonly SignInClient[],
): Configuration {
  const { people, clientId, scopes, accessTokenTtlSeconds = HOUR_S } = options
  return {
    adapter: oidcMemory(),
    jwks: { keys: [...keys] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    clients: [
      {
        client_id: clientId,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: [REDIRECT_URI],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
      ...clients.map(signInClient),
    ],
    scopes: ['openid', 'email', 'profile', ...scopes],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    ttl: { AccessToken: accessTokenTtlSeconds, Grant: HOUR_S, Interaction: HOUR_S, Session: HOUR_S, IdToken: HOUR_S },
    findAccount: (_context, login) => {
      const person = people.find((one) => one.login === login)
      if (person === undefined) return undefined
      const claims = { sub: login, email: login, email_verified: person.emailVerified ?? true, name: login }
      return { accountId: login, claims: () => claims }
    },
    loadExistingGrant: consent,
    interactions: { policy: signInOnly(), url: (_context, { uid }) => `${ISSUER_PATH}/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          audience: resource,
          scope: scopes.join(' '),
          accessTokenFormat: 'jwt',
          accessTokenTTL: accessTokenTtlSeconds,
          jwt: { sign: { alg: 'RS256', kid: keys[0]?.kid ?? '' } },
        }),
      },
    },
    formats: { customizers: { jwt: (_context, _token, jwt) => shapeAsOkta(jwt, people) } },
  }
}

function signInClient({ clientId, clientSecret, redirectUri }: SignInClient): ClientMetadata {
  return {
    client_id: clientId,
    ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
    // A web application's redirect URI would have to be https.
    application_type: 'native',
    token_endpoint_auth_method: clientSecret === undefined ? 'none' : 'client_secret_post',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }
}

/** OAuth asks a person again for each native app, since such an app can't prove which one it is (RFC 8252 §8.6). */
function signInOnly(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base()
  policy.remove('consent')
  return policy
}

/** Everything asked for is granted: consent is not what the demo shows. */
async function consent(context: KoaContextWithOIDC) {
  const { client, provider, session, params, resourceServers } = context.oidc
  const grant = new provider.Grant({ clientId: client?.clientId ?? '', accountId: session?.accountId ?? '' })
  const scope = String(params?.scope ?? '')
  grant.addOIDCScope(scope)
  for (const resource of Object.keys(resourceServers ?? {})) grant.addResourceScope(resource, scope)
  await grant.save()
  return grant
}

/** Okta, "Access token payload": no `scope` and no `client_id`, but `scp`, `cid`, `uid`, `ver`, and `groups` where configured. */
function shapeAsOkta(jwt: { header?: unknown; payload: Record<string, unknown> }, people: readonly Person[]): void {
  const { scope, client_id, ...claims } = jwt.payload
  const person = people.find(({ login }) => login === claims.sub)
  jwt.payload = {
    ver: 1,
    ...claims,
    cid: client_id,
    scp: typeof scope === 'string' ? scope.split(' ') : [],
    ...(person ? { uid: person.uid, groups: person.groups } : {}),
  }
}
