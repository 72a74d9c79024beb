/**
 * Fetches from an issuer within limits: it decides who somebody is, and one that hangs, redirects or sends without end
 * must not take the gateway with it.
 */
/** Okta, Entra, Auth0 and Keycloak answer within a second; a person is waiting. */
export const ISSUER_TIMEOUT_S = 5
/** Entra's key set with its certificates is about 20 KB. */
const ANSWER_BYTES_MAX = 262_144

interface IssuerRequest {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string | URLSearchParams | ArrayBuffer | ReadableStream | Uint8Array | null | undefined
  readonly signal?: AbortSignal | undefined
}

export async function issuerFetch(url: string, options: IssuerRequest): Promise<Response> {
  const { headers, method, body, signal } = options
  const response = await fetch(url, {
    method,
    // The library's type allows undefined, which fetch takes for none.
    body: body ?? null,
    // A redirect could leave https, or the issuer's host, and still be taken for the issuer.
    redirect: 'error',
    // Node 20's Brotli decoder has a flaw without a fix, so nothing is to be inflated. Minutes lie between two
    // sign-ins: a kept connection would be one that the issuer has closed meanwhile.
    headers: { ...headers, 'accept-encoding': 'identity', connection: 'close' },
    signal: signal ?? AbortSignal.timeout(ISSUER_TIMEOUT_S * 1_000),
  })
  if (response.headers.has('content-encoding')) {
    await response.body?.cancel()
    throw new Error('its answer is compressed although not asked for')
  }
  const { status, headers: answered } = response
  return new Response(await readBytes(response), { status, headers: answered })
}

async function readBytes(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > ANSWER_BYTES_MAX) throw new Error(`its answer is longer than ${ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Uint8Array.from(Buffer.concat(chunks))
}
