/**
 * Entra's token endpoint for applications, with the discovery that Microsoft's sign-in library does first, and the managed
 * identity endpoint of Azure's App Service.
 *
 * learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow and …/reference-error-codes;
 * learn.microsoft.com/azure/app-service/overview-managed-identity, "Connect to Azure services in app code"
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Answer, answered, textOf, write } from './fake-teams-http.ts'
import { ACCESS_LIVES_SEC, accessToken } from './fake-teams-tokens.ts'
import type { World } from './fake-teams-world.ts'

/** What App Service puts into IDENTITY_HEADER: "helps mitigate server-side request forgery". */
export const IDENTITY_HEADER = '0d6ce2f0-fake-identity-header'

export async function entra(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', world.loginUrl)
  const [tenant = '', ...rest] = url.pathname.split('/').slice(1)
  const path = rest.join('/')
  if (request.method === 'GET') return write(response, documents(world, tenant, path))
  if (request.method !== 'POST' || path !== 'oauth2/v2.0/token') return void response.writeHead(404).end()
  const form = Object.fromEntries(new URLSearchParams(await textOf(request)))
  await answered(world, { operation: 'token', request, response, body: form }, () => {
    if (!isForm(request)) return fault(400, 'invalid_request', 'AADSTS900144', 'The body must be a form.')
    return token(world, tenant, { ...form, ...basic(request) })
  })
}

function documents(world: World, tenant: string, path: string): Answer {
  const authority = `${world.loginUrl}/${tenant}`
  if (tenant === 'common' && path.startsWith('discovery/instance')) return instance(world)
  if (tenant !== world.tenantId) {
    return fault(400, 'invalid_tenant', 'AADSTS90002', `Tenant '${tenant}' not found.`)
  }
  if (path === 'discovery/v2.0/keys') return { status: 200, body: { keys: [world.keys.entra.publicJwk] } }
  if (path !== 'v2.0/.well-known/openid-configuration') return { status: 404 }
  return {
    status: 200,
    body: {
      token_endpoint: `${authority}/oauth2/v2.0/token`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      jwks_uri: `${authority}/discovery/v2.0/keys`,
      subject_types_supported: ['pairwise'],
      issuer: `${authority}/v2.0`,
      authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
      end_session_endpoint: `${authority}/oauth2/v2.0/logout`,
    },
  }
}

function instance(world: World): Answer {
  const { host } = new URL(world.loginUrl)
  return {
    status: 200,
    body: {
      tenant_discovery_endpoint: `${world.loginUrl}/${world.tenantId}/v2.0/.well-known/openid-configuration`,
      'api-version': '1.1',
      metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
    },
  }
}

type Form = Readonly<Record<string, string | undefined>>

async function token(world: World, tenant: string, form: Form): Promise<Answer> {
  const missing = ['grant_type', 'client_id', 'client_secret', 'scope'].find((name) => !form[name])
  if (tenant !== world.tenantId) return fault(400, 'invalid_request', 'AADSTS90002', `Tenant '${tenant}' not found.`)
  if (missing !== undefined) {
    return fault(400, 'invalid_request', 'AADSTS900144', `The request body must contain: '${missing}'.`)
  }
  if (form.grant_type !== 'client_credentials') {
    return fault(400, 'unsupported_grant_type', 'AADSTS70003', 'The app requested an unsupported grant type.')
  }
  if (form.client_id !== world.appId) {
    return fault(400, 'unauthorized_client', 'AADSTS700016', 'Application was not found in the directory.')
  }
  if (form.client_secret !== world.appPassword) {
    return fault(401, 'invalid_client', 'AADSTS7000215', 'Invalid client secret provided.')
  }
  if (world.isSecretExpired) {
    return fault(401, 'invalid_client', 'AADSTS7000222', 'The provided client secret keys are expired.')
  }
  const scope = form.scope ?? ''
  // MSAL adds none for an application; more than one resource is refused.
  if (!scope.endsWith('/.default') || scope.includes(' ')) {
    return fault(
      400,
      'invalid_scope',
      'AADSTS1002012',
      'The provided value for scope is not valid: /.default is needed.',
    )
  }
  const issued = await issue(world, scope.slice(0, -'/.default'.length))
  if (issued === null) {
    return fault(400, 'invalid_resource', 'AADSTS500011', 'The resource principal was not found in the tenant.')
  }
  const lives = { expires_in: ACCESS_LIVES_SEC, ext_expires_in: ACCESS_LIVES_SEC }
  return { status: 200, body: { token_type: 'Bearer', ...lives, access_token: issued } }
}

/** Null: there is no such resource. */
async function issue(world: World, resource: string): Promise<string | null> {
  if (graphAudiences(world).includes(resource)) return accessToken(world, resource, world.permissions)
  return resource === world.scope.replace(/\/\.default$/, '') ? accessToken(world, resource, []) : null
}

export const graphAudiences = (world: World): readonly string[] => ['https://graph.microsoft.com', world.baseUrl]

/** App Service, `api-version=2019-08-01`, of a user-assigned identity. */
export async function managedIdentity(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { searchParams } = new URL(request.url ?? '/', world.baseUrl)
  const asked = Object.fromEntries(searchParams)
  await answered(world, { operation: 'token', request, response, body: asked }, async () => {
    if (request.headers['x-identity-header'] !== IDENTITY_HEADER)
      return identityFault(401, 'the identity header is wrong')
    if (asked['api-version'] !== '2019-08-01') return identityFault(400, 'the api-version is not supported')
    if (asked.client_id !== world.appId) return identityFault(400, 'No User Assigned Managed Identity found.')
    const issued = await issue(world, asked.resource ?? '')
    if (issued === null) return identityFault(400, 'the resource was not found')
    const expiresOn = Math.floor(Date.now() / 1000) + ACCESS_LIVES_SEC
    return {
      status: 200,
      body: {
        ...{ access_token: issued, client_id: world.appId, expires_on: String(expiresOn) },
        ...{ resource: asked.resource, token_type: 'Bearer' },
      },
    }
  })
}

function identityFault(statusCode: number, message: string): Answer {
  return { status: statusCode, body: { statusCode, message } }
}

function isForm({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
}

function basic({ headers }: IncomingMessage): Form {
  const text = /^Basic (\S+)$/.exec(headers.authorization ?? '')?.[1]
  if (text === undefined) return {}
  const [id, secret] = Buffer.from(text, 'base64').toString().split(':').map(decodeURIComponent)
  return { client_id: id, client_secret: secret }
}

function fault(status: number, error: string, code: string, message: string): Answer {
  const error_codes = [Number(code.replace('AADSTS', ''))]
  return {
    status,
    body: { error, error_description: `${code}: ${message}`, error_codes, timestamp: new Date().toISOString() },
  }
}
