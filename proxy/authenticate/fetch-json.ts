/**
 * Reads one JSON document from an issuer, within limits: the answers decide who everybody is, and an issuer that
 * hangs, redirects or sends without end must not take the gateway with it.
 */

/** Okta, Entra, Auth0 and Keycloak answer within a second; a caller is waiting. */
export const FETCH_TIMEOUT_MS = 3_000
/** Entra's key set with its certificates is about 20 KB. */
export const DOCUMENT_BYTES_MAX = 262_144

/** Rejects with an Error whose message says what is wrong with the answer, without quoting it. */
export async function fetchJson(url: URL, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, {
    // A redirect could leave https, or the issuer's host, and still be taken for the issuer.
    redirect: 'error',
    headers: {
      accept: 'application/json',
      // Node 20's Brotli decoder has a flaw without a fix, so nothing is to be inflated.
      'accept-encoding': 'identity',
      // Minutes lie between two readings: a kept connection would be one that the issuer has closed meanwhile.
      connection: 'close',
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]),
  })
  try {
    if (response.status !== 200) throw new Error(`it answered with status ${response.status}`)
    if (response.headers.has('content-encoding')) throw new Error('its answer is compressed although not asked for')
    return parse(await readText(response))
  } finally {
    // Nothing is left half-read on a pooled connection; no-op after a whole read.
    if (!response.bodyUsed) await response.body?.cancel()
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > DOCUMENT_BYTES_MAX) throw new Error(`its answer is longer than ${DOCUMENT_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('its answer is not JSON')
  }
}
