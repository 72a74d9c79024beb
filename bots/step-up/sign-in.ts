/**
 * The gateway as a client of the issuers where reviewers sign in: OpenID Connect, authorization code with PKCE.
 *
 * A session that the browser still has at the issuer is not enough: `prompt=login` and `max_age=0` ask for a new sign-in,
 * and `auth_time` must say that it happened after we asked (OpenID Connect Core §3.1.2.1, §3.1.3.7 (13)). The library
 * checks state, nonce, `iss` of the answer (RFC 9207), audience and times; the ID token's signature is checked too,
 * although it comes straight from the issuer.
 */
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type ServerMetadata,
} from 'openid-client'
import type { SignInSettings } from '../../src/config/settings.ts'
import { DEFAULT_CLAIMS } from '../../src/identity/claims.ts'
import { mergeClaims } from '../../src/identity/issuer.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Clock } from '../../src/ports.ts'
import { type SigningIn, type WhoSignedIn, whoSignedIn } from '../../src/step-up/step-up.ts'
import { ISSUER_TIMEOUT_S, issuerFetch } from './issuer-fetch.ts'

/** Issuers change their metadata seldom, and their keys are fetched anew where one is unknown. */
const METADATA_LIFE_MS = 10 * 60_000

export interface SignInClient {
  readonly issuer: string
  /** Where to send the browser, and what the visit must remember. Rejects where the issuer can't be read. */
  begin(loginHint: string | null): Promise<{ readonly url: URL; readonly remembered: Remembered }>
  /** `answer`: the redirect URI with what the issuer added. Rejects where the answer is not to be trusted. */
  finish(answer: URL, visit: SigningIn): Promise<WhoSignedIn>
  /** Rejects where nobody could sign in. */
  check(): Promise<void>
}

export type Remembered = Pick<SigningIn, 'state' | 'nonce' | 'verifier'>

export function createSignInClient(settings: SignInSettings, redirectUri: string, clock: Clock): SignInClient {
  const { issuer, scopes } = settings
  let known: { readonly configuration: Configuration; readonly until: number } | null = null

  const configuration = async (): Promise<Configuration> => {
    if (known === null || known.until <= clock.now()) {
      known = { configuration: await configure(settings), until: clock.now() + METADATA_LIFE_MS }
    }
    return known.configuration
  }

  return {
    issuer,
    async begin(loginHint) {
      const remembered = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() }
      const url = buildAuthorizationUrl(await configuration(), {
        response_type: 'code',
        redirect_uri: redirectUri,
        scope: scopes.join(' '),
        state: remembered.state,
        nonce: remembered.nonce,
        code_challenge: await calculatePKCECodeChallenge(remembered.verifier),
        code_challenge_method: 'S256',
        prompt: 'login',
        max_age: '0',
        ...(loginHint === null ? {} : { login_hint: loginHint }),
      })
      return { url, remembered }
    },
    async finish(answer, visit) {
      const server = await configuration()
      const tokens = await authorizationCodeGrant(server, answer, {
        expectedState: visit.state,
        expectedNonce: visit.nonce,
        pkceCodeVerifier: visit.verifier,
        // Not 0: at some issuers the second factor, or a slow line, comes after the instant that `auth_time` names.
        maxAge: Math.ceil((clock.now() - visit.startedAt) / 1_000),
        idTokenExpected: true,
      })
      const claims = (tokens.claims() ?? {}) as JsonObject
      const mapping = mergeClaims(DEFAULT_CLAIMS, settings.claims)
      const who = whoSignedIn(issuer, claims, mapping)
      // Some issuers keep the address out of ID tokens that come with an access token (OpenID Connect Core §5.4).
      if (who.ok || claims.email !== undefined || server.serverMetadata().userinfo_endpoint === undefined) return who
      const more = await fetchUserInfo(server, tokens.access_token, String(claims.sub))
      return whoSignedIn(issuer, { ...(more as JsonObject), ...claims }, mapping)
    },
    check: async () => void (await configuration()),
  }
}

async function configure({
  issuer,
  clientId,
  clientSecret,
  allowInsecureLoopbackIssuer,
}: SignInSettings): Promise<Configuration> {
  // Deprecated to be seen in reviews, not to go away; it is for loopback alone, as the settings' check says.
  const execute = [enableNonRepudiationChecks, ...(allowInsecureLoopbackIssuer ? [allowInsecureRequests] : [])]
  const options = { [customFetch]: issuerFetch, timeout: ISSUER_TIMEOUT_S, execute }
  const read = (await discovery(new URL(issuer), clientId, undefined, None(), options)).serverMetadata()
  // The library lets Entra's shared tenants be called otherwise; the settings name one issuer, character for character.
  if (read.issuer !== issuer) throw new Error('its metadata name another issuer')
  for (const endpoint of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
    if (read[endpoint] === undefined) throw new Error(`its metadata name no ${endpoint}`)
  }
  const configuration = new Configuration(read, clientId, undefined, clientAuthOf(read, clientSecret?.reveal() ?? null))
  configuration.timeout = ISSUER_TIMEOUT_S
  configuration[customFetch] = issuerFetch
  for (const prepare of execute) prepare(configuration)
  return configuration
}

/** Without a list an issuer takes `client_secret_basic` (RFC 8414 §2). */
function clientAuthOf(server: ServerMetadata, secret: string | null): ClientAuth {
  if (secret === null) return None()
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  return methods.includes('client_secret_post') ? ClientSecretPost(secret) : ClientSecretBasic(secret)
}
