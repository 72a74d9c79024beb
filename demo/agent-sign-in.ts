/**
 * Gets an access token for one person and one resource by the authorization code grant with PKCE (RFC 7636), playing
 * both the agent and the browser that it would open. Four requests: authorize, sign in, resume, token.
 */
import { createHash, randomBytes } from 'node:crypto'

/** Never listened on: whoever plays the browser reads the code from the redirect. RFC 8252 §7.3 lets any port do. */
export const REDIRECT_URI = 'http://127.0.0.1/callback'

export interface SignIn {
  readonly issuer: string
  readonly clientId: string
  readonly login: string
  /** What the token is for (RFC 8707): it becomes the audience. */
  readonly resource: string
  readonly scopes: readonly string[]
}

/** The issuer may be started anew between two sign-ins (the tests do), and a kept connection would be a dead one. */
const FRESH = { connection: 'close' }

/** Redirects between the provider's own pages; two are usual. */
const REDIRECTS_MAX = 5

export async function agentSignIn(request: SignIn): Promise<string> {
  const metadata = await readMetadata(request.issuer)
  const verifier = randomBytes(32).toString('base64url')
  const code = await authorize(new URL(metadata.authorization_endpoint), request, verifier)
  const response = await fetch(metadata.token_endpoint, {
    method: 'POST',
    headers: FRESH,
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      client_id: request.clientId,
      redirect_uri: REDIRECT_URI,
      code_verifier: verifier,
      resource: request.resource,
    }),
  })
  const answer = (await response.json()) as { access_token?: string; error_description?: string }
  if (answer.access_token === undefined) throw new Error(`the issuer gave no token: ${answer.error_description}`)
  return answer.access_token
}

async function readMetadata(issuer: string): Promise<{ authorization_endpoint: string; token_endpoint: string }> {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`, { headers: FRESH })
  return (await response.json()) as { authorization_endpoint: string; token_endpoint: string }
}

/** Follows the redirects as a browser would, cookies and all, up to the one that leads back to the agent. */
async function authorize(endpoint: URL, request: SignIn, verifier: string): Promise<string> {
  endpoint.search = new URLSearchParams({
    response_type: 'code',
    client_id: request.clientId,
    redirect_uri: REDIRECT_URI,
    scope: request.scopes.join(' '),
    resource: request.resource,
    login_hint: request.login,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()
  const cookies = new Map<string, string>()
  let url = endpoint
  for (let step = 0; step < REDIRECTS_MAX; step++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: cookie === '' ? FRESH : { ...FRESH, cookie } })
    await response.body?.cancel()
    for (const line of response.headers.getSetCookie()) remember(cookies, line)
    url = new URL(response.headers.get('location') ?? '', url)
    if (url.href.startsWith(REDIRECT_URI)) return codeIn(url)
  }
  throw new Error('the issuer led nowhere')
}

function remember(cookies: Map<string, string>, line: string): void {
  const [pair = ''] = line.split(';')
  const equals = pair.indexOf('=')
  cookies.set(pair.slice(0, equals), pair.slice(equals + 1))
}

function codeIn(url: URL): string {
  const code = url.searchParams.get('code')
  if (code === null) throw new Error(`the issuer refused: ${url.searchParams.get('error_description')}`)
  return code
}
