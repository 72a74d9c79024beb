/**
 * What a verified activity must say before anything of it is looked at further. The libraries check the signature and
 * leave some of this open: botbuilder takes other tenants, and tokens of emulators and skills; agents-hosting takes
 * tokens of Entra itself. Checked here, once, for whichever library is chosen.
 *
 * The signature covers the token alone. What the activity says is as true as whoever holds a token of the connector, for
 * this app and this serviceUrl; that is Teams.
 *
 * learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication, step 4
 */
import { isObject, type JsonObject, type JsonValue } from '../../src/json/value.ts'
import type { VerifiedActivity } from './transport.ts'

export interface Ours {
  readonly appId: string
  readonly tenantId: string
  /** Of the connector's tokens. */
  readonly issuer: string
  /** Origins at which the connector may answer: our own token is sent there. */
  readonly connectors: readonly string[]
}

export interface Foreign {
  /** 401: the token is not for this. 403: it is Teams, and not for us. */
  readonly status: 401 | 403
  /** Ours, without any value of the activity: it is logged and answered. */
  readonly reason: string
}

/** Teams' name for a bot: learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations */
export const mriOf = (appId: string): string => `28:${appId}`

export function foreignIn({ activity, claims }: VerifiedActivity, ours: Ours): Foreign | null {
  const { serviceUrl, channelId, recipient } = activity
  if (claims.issuer !== ours.issuer) return unsigned('the token is not the Bot Connector’s')
  if (claims.audience.toLowerCase() !== ours.appId) return unsigned('the token is for another app')
  if (claims.serviceUrl === null || claims.serviceUrl !== serviceUrl)
    return unsigned('the token is for another serviceUrl')
  if (!isKnownOrigin(claims.serviceUrl, ours.connectors)) return notOurs('the serviceUrl is none of the connector’s')
  if (channelId !== 'msteams') return notOurs('the activity is not of Microsoft Teams')
  if (textIn(recipient, 'id')?.toLowerCase() !== mriOf(ours.appId)) return notOurs('the activity is for another bot')
  const tenants = tenantsIn(activity)
  if (tenants.length === 0) return notOurs('the activity names no tenant')
  if (tenants.some((tenant) => typeof tenant !== 'string' || tenant.toLowerCase() !== ours.tenantId))
    return notOurs('the activity is of another tenant')
  return null
}

export function isKnownOrigin(serviceUrl: string, connectors: readonly string[]): boolean {
  if (!URL.canParse(serviceUrl)) return false
  const { origin, username, password, search, hash } = new URL(serviceUrl)
  return connectors.includes(origin) && username + password + search + hash === ''
}

/** Every place where Teams writes one; of a person from elsewhere, `from` alone may. */
function tenantsIn({ conversation, channelData, from, recipient }: JsonObject): readonly JsonValue[] {
  const tenant = isObject(channelData) ? channelData.tenant : undefined
  return [memberOf(conversation, 'tenantId'), memberOf(tenant, 'id'), memberOf(from, 'tenantId')]
    .concat(memberOf(recipient, 'tenantId'))
    .filter((value) => value !== undefined && value !== null)
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isObject(value) ? value[name] : undefined
}

function textIn(value: JsonValue | undefined, name: string): string | null {
  const found = memberOf(value, name)
  return typeof found === 'string' ? found : null
}

function unsigned(reason: string): Foreign {
  return { status: 401, reason }
}

function notOurs(reason: string): Foreign {
  return { status: 403, reason }
}
