/**
 * Whether the Bot Connector signed this request's token for us. The whole of what Microsoft asks a bot to check of it, in
 * one place and before either library sees it, because both leave something open:
 *
 * - botbuilder passes keys without endorsements, also takes tokens of emulators and skills, answers a wrong signature
 *   with a fault of its own, reads keys without a time limit, and prints to the console;
 * - agents-hosting reads no endorsements, reads keys at two fixed addresses alone, and also takes Entra's own tokens.
 *
 * learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication, step 4: authenticate
 * requests from the Bot Connector to your bot
 */
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import type { JsonObject } from '../../src/json/value.ts'
import type { Clock, Log } from '../../src/ports.ts'
import { createConnectorKeys } from './connector-keys.ts'
import { Unauthenticated, type VerifiedActivity } from './transport.ts'

/** "An industry-standard clock-skew of 5 minutes." */
const SKEW_MAX_S = 300
/** What Teams' keys must be endorsed for. */
const ENDORSEMENT = 'msteams'

export interface TokenCheck {
  verify(authorization: string | undefined, activity: JsonObject): Promise<VerifiedActivity>
  /** Changes with the connector's keys. */
  generation(): number
}

export function createTokenCheck(options: {
  readonly appId: string
  readonly issuer: string
  readonly openIdMetadata: string
  readonly clock: Clock
  readonly log: Log
}): TokenCheck {
  const { appId, issuer, clock } = options
  const keys = createConnectorKeys(options)
  return {
    generation: keys.generation,
    async verify(authorization, activity) {
      const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(authorization ?? '')?.[1]
      if (token === undefined) throw new Unauthenticated('there is no bearer token')
      const key = await keys.get(kidOf(token))
      if (key === null) throw new Unauthenticated('the key is not the connector’s')
      if (!key.endorsements.includes(ENDORSEMENT)) throw new Unauthenticated('the key is not endorsed for Teams')
      const verified = await jwtVerify(token, key.key, {
        ...{ issuer, audience: appId, algorithms: ['RS256'], requiredClaims: ['exp'], clockTolerance: SKEW_MAX_S },
        currentDate: new Date(clock.now()),
      }).catch((cause: unknown) => {
        throw cause instanceof errors.JOSEError ? new Unauthenticated('the token is not good', { cause }) : cause
      })
      const claims = claimsOf(verified.payload)
      if (claims.serviceUrl === null || claims.serviceUrl !== activity.serviceUrl) {
        throw new Unauthenticated('the token is for another serviceUrl')
      }
      return { activity, claims }
    },
  }
}

function kidOf(token: string): string {
  try {
    const { kid, alg } = decodeProtectedHeader(token)
    // Before any key is looked for: other algorithms have none.
    if (alg === 'RS256' && kid !== undefined && kid !== '') return kid
  } catch {
    // Not a token.
  }
  throw new Unauthenticated('the token names no key')
}

function claimsOf({ aud, iss, serviceurl }: JWTPayload): VerifiedActivity['claims'] {
  return {
    // A list could name others beside us.
    audience: typeof aud === 'string' ? aud : '',
    issuer: iss ?? '',
    serviceUrl: typeof serviceurl === 'string' ? serviceurl : null,
  }
}
