/**
 * Keys and tokens of the fake Teams, in both directions: the connector signs what it sends us, Entra signs what we send.
 *
 * learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication, "Connector to Bot"; the
 * signature is of the token alone: the Bot Framework signs no bodies.
 */
import { createHmac, randomUUID } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import type { KeyName } from './fake-teams-keys.ts'
import type { World } from './fake-teams-world.ts'

/** Tokens of the connector, "valid for 5 minutes" around now. */
const INBOUND_LIVES_SEC = 300
/** Entra's live about an hour. */
export const ACCESS_LIVES_SEC = 3599

export function connectorJwks({ keys }: World): { keys: object[] } {
  const listed = [keys.connector, keys.otherChannel, keys.bare]
  return {
    keys: listed.map(({ publicJwk, endorsements }) => ({ ...publicJwk, ...(endorsements && { endorsements }) })),
  }
}

/** A claim that is undefined is left out. */
export type Claims = Readonly<Record<string, unknown>>

export interface TokenOptions {
  /** `connector` by default. */
  readonly key?: KeyName
  /** Replaces claims. */
  readonly claims?: Claims
  readonly kid?: string
  /** `none` signs nothing; `HS256` takes the public key's document as its secret. */
  readonly alg?: 'RS256' | 'none' | 'HS256'
}

export async function inboundToken(world: World, { key = 'connector', claims, kid, alg = 'RS256' }: TokenOptions = {}) {
  const nowSec = Math.floor(Date.now() / 1000)
  const payload = defined({
    serviceurl: serviceUrlOf(world),
    iss: world.issuer,
    aud: world.appId,
    nbf: nowSec - INBOUND_LIVES_SEC,
    exp: nowSec + INBOUND_LIVES_SEC,
    ...claims,
  })
  const signer = world.keys[key]
  const header = { alg, typ: 'JWT', kid: kid ?? signer.kid, x5t: kid ?? signer.kid }
  if (alg === 'RS256') return new SignJWT(payload).setProtectedHeader({ ...header, alg }).sign(signer.privateKey)
  const text = `${encode(header)}.${encode(payload)}`
  if (alg === 'none') return `${text}.`
  return `${text}.${createHmac('sha256', JSON.stringify(signer.publicJwk)).update(text).digest('base64url')}`
}

export const serviceUrlOf = (world: World): string => `${world.baseUrl}/emea/`

/** For the resource of a scope: `https://api.botframework.com/.default`. */
export async function accessToken(world: World, resource: string, roles: readonly string[]): Promise<string> {
  world.issued += 1
  const nowSec = Math.floor(Date.now() / 1000)
  const payload = {
    aud: resource,
    iss: `https://sts.windows.net/${world.tenantId}/`,
    appid: world.appId,
    tid: world.tenantId,
    oid: randomUUID(),
    uti: String(world.issued),
    ...(roles.length > 0 && { roles }),
    iat: nowSec,
    nbf: nowSec,
    exp: nowSec + ACCESS_LIVES_SEC,
  }
  const { kid, privateKey } = world.keys.entra
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid }).sign(privateKey)
}

/** Claims of the token that came with a call; null where it isn't one of ours for this resource, or is revoked. */
export async function readToken(
  world: World,
  authorization: string | undefined,
  audiences: readonly string[],
): Promise<{ readonly roles: readonly string[] } | null> {
  const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1]
  if (token === undefined) return null
  try {
    const { payload } = await jwtVerify(token, world.keys.entra.publicKey, {
      algorithms: ['RS256'],
      audience: [...audiences],
      issuer: `https://sts.windows.net/${world.tenantId}/`,
    })
    if (payload.appid !== world.appId || Number(payload.uti) <= world.revokedBefore) return null
    return { roles: Array.isArray(payload.roles) ? payload.roles.map(String) : [] }
  } catch {
    return null
  }
}

function defined(claims: Claims): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
