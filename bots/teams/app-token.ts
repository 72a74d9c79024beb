/**
 * Tokens of the app's own, for the Bot Connector and Microsoft Graph.
 *
 * With a client secret they are asked of the tenant's own authority, which is what makes the app a single-tenant one
 * (OAuth 2.0 client credentials, RFC 6749 §4.4; learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
 * Asked here and not by either library, so that both know the same limits and say the same of a wrong secret. With a
 * managed identity it is the platform that gives them, by a protocol that the libraries know: see the adapters.
 */

import { ChannelBusy, ChannelRefused, type Clock } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import { type BoundedAnswer, boundedFetch, NotSent } from './bounded-fetch.ts'
import { failureOf, sendingError } from './sending-errors.ts'

export interface AppTokens {
  /** Rejects with ChannelBusy where Entra is away, and with ChannelRefused and its AADSTS code where it said no. */
  token(scope: string): Promise<string>
  /** It was refused: the next is a new one. */
  forget(scope: string): void
}

export interface IssuedToken {
  readonly token: string
  readonly expiresAt: number
}

const TOKEN_TIMEOUT_MS = 5000
/** Entra's live an hour and more; a new one is asked for while the old one is still good. */
const RENEW_BEFORE_MS = 5 * 60_000
/** The connector and Graph; nobody asks for more. */
const SCOPES_MAX = 10

export function createAppTokens(clock: Clock, issue: (scope: string) => Promise<IssuedToken>): AppTokens {
  const kept = new Map<string, IssuedToken>()
  const asked = new Map<string, Promise<IssuedToken>>()
  async function renew(scope: string): Promise<IssuedToken> {
    const issued = await issue(scope).catch((cause: unknown) => {
      if (cause instanceof ChannelBusy || cause instanceof ChannelRefused) throw cause
      // Whatever a machine's own identity fails by: without a token nothing was sent.
      throw failureOf(new NotSent('there is no token', { cause }), { isRepeatable: true })
    })
    if (kept.size >= SCOPES_MAX) kept.clear()
    kept.set(scope, issued)
    return issued
  }
  return {
    async token(scope) {
      const known = kept.get(scope)
      if (known !== undefined && known.expiresAt - RENEW_BEFORE_MS > clock.now()) return known.token
      // Asked for once, however many wait for it.
      const asking = asked.get(scope) ?? renew(scope).finally(() => asked.delete(scope))
      asked.set(scope, asking)
      try {
        return (await asking).token
      } catch (error) {
        // Most times that Entra is away are shorter than the old one is still good.
        if (known === undefined || known.expiresAt <= clock.now() || kept.get(scope) !== known) throw error
        return known.token
      }
    },
    forget(scope) {
      kept.delete(scope)
    },
  }
}

/** For what has no time limit of its own. */
export async function withinTokenTime<Result>(work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer came in time')), TOKEN_TIMEOUT_MS)
  })
  try {
    return await Promise.race([work, patience])
  } finally {
    clearTimeout(timer)
  }
}

export interface ClientSecretOptions {
  /** `https://login.microsoftonline.com` */
  readonly login: string
  readonly tenantId: string
  readonly appId: string
  readonly appPassword: Secret
  readonly clock: Clock
}

export function byClientSecret(options: ClientSecretOptions): (scope: string) => Promise<IssuedToken> {
  const { login, tenantId, appId, appPassword, clock } = options
  return async (scope) => {
    const form = { client_id: appId, client_secret: appPassword.reveal(), grant_type: 'client_credentials', scope }
    const answer = await boundedFetch(`${login}/${tenantId}/oauth2/v2.0/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams(form).toString(),
      timeoutMs: TOKEN_TIMEOUT_MS,
    }).catch((error: unknown) => {
      // Asking again makes another token and nothing else.
      throw failureOf(error, { isRepeatable: true })
    })
    return issuedIn(answer, clock)
  }
}

function issuedIn(answer: BoundedAnswer, clock: Clock): IssuedToken {
  const body = readJson(answer.text)
  if (answer.status !== 200) {
    const fault = sendingError(answer, { isRepeatable: true })
    if (fault instanceof ChannelBusy) throw fault
    const code = aadstsIn(body) ?? textIn(body, 'error') ?? `http_${answer.status}`
    throw new ChannelRefused(`Entra gave the app no token: ${code}`, { code })
  }
  const token = textIn(body, 'access_token')
  const seconds = body.expires_in
  if (token === null || typeof seconds !== 'number' || !(seconds > 0)) throw new Error('Entra’s answer holds no token')
  return { token, expiresAt: clock.now() + seconds * 1000 }
}

/** Entra's own number for it stands in the description: learn.microsoft.com/entra/identity-platform/reference-error-codes */
function aadstsIn(body: Readonly<Record<string, unknown>>): string | null {
  return /\bAADSTS[0-9]{2,8}\b/.exec(textIn(body, 'error_description') ?? '')?.[0] ?? null
}

function readJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function textIn(body: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = body[name]
  return typeof value === 'string' && value !== '' ? value : null
}
