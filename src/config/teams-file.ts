/**
 * `channels.teams` as people write it. Ids are what Entra and Teams call things, never names: a name can be given to
 * another team.
 */
import { z } from 'zod'
import { isSecure } from '../identity/issuer.ts'
import { choice, flag, list, matching, optionalText, strict, text } from './fields.ts'
import { say } from './problems.ts'

const GUID = /^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/
/** As policy/place.ts reads it in `teams:19:…`. */
const CONVERSATION = /^19:[A-Za-z0-9_-]{1,200}@(?:thread\.tacv2|thread\.skype|thread\.v2|unq\.gbl\.spaces)$/
const CONVERSATION_CURE =
  'Write its id, like 19:…@thread.tacv2: the part between /channel/ and the next / of “Get link to channel”, decoded.'

function guid(where: string) {
  return matching(GUID, 'an id of Entra', `Copy it from ${where}.`).transform((value) => value.toLowerCase())
}

function conversation() {
  return matching(CONVERSATION, 'a conversation’s id', CONVERSATION_CURE)
}

function secureUrl(example: string) {
  return text(example)
    .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), {
      error: say('is not an https URL', `Write it like ${example}.`),
    })
    .refine((value) => !URL.canParse(value) || isSecure(new URL(value), true), {
      error: say('must be https', 'Use https; http only on loopback.'),
    })
    .transform((value) => value.replace(/\/+$/, ''))
}

/** What is compared with an address is its origin alone: with a path here, nothing would ever come from it. */
function origin(example: string) {
  return secureUrl(example)
    .refine((value) => !URL.canParse(value) || new URL(value).href === `${new URL(value).origin}/`, {
      error: say('is more than an origin', `Write scheme and host alone, like ${example}.`),
    })
    .transform((value) => (URL.canParse(value) ? new URL(value).origin : value))
}

const endpoints = strict({
  login: secureUrl('https://login.microsoftonline.us'),
  openIdMetadata: secureUrl('https://login.botframework.azure.us/v1/.well-known/openidconfiguration'),
  issuer: text('https://api.botframework.us'),
  scope: text('https://api.botframework.us/.default'),
  graph: origin('https://graph.microsoft.us'),
  connectors: list(origin('https://smba.infra.gov.teams.microsoft.us'), 20).min(1, {
    error: say('is an empty list', 'Name at least one origin of the connector.'),
  }),
})

export const teams = z.preprocess(
  // All left empty: `${TEAMS_APP_ID:-}` and its like, where no tenant is connected.
  (value) => (isEmpty(value) ? undefined : value),
  strict(
    {
      appId: guid('the app registration’s overview: Application (client) ID'),
      tenantId: guid('the app registration’s overview: Directory (tenant) ID'),
      appType: choice('SingleTenant', 'UserAssignedMSI').default('SingleTenant'),
      appPassword: optionalText('a client secret of the app registration').default(''),
      approvals: conversation(),
      summaries: z.union([z.literal(''), conversation()]).default(''),
      library: choice('botbuilder', 'agents-hosting').default('botbuilder'),
      email: choice('mail', 'userPrincipalName').default('mail'),
      graph: flag().default(false),
      endpoints: endpoints.optional(),
    },
    { check: checkTeams },
  ).optional(),
)

function checkTeams(
  { appType, appPassword }: Readonly<Record<string, unknown>>,
  add: (path: string[], message: string) => void,
): void {
  if (appType === 'UserAssignedMSI') {
    if (appPassword === '') return
    add(['appPassword'], say('is not used with a managed identity', 'Leave it out, or choose appType: SingleTenant.'))
    return
  }
  if (appPassword !== '') return
  const cure = 'Create a client secret in the app registration, or choose appType: UserAssignedMSI on Azure.'
  add(['appPassword'], say('is missing', cure))
}

function isEmpty(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length > 0 &&
    Object.values(value).every((item) => item === '')
  )
}
