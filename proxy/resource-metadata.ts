/**
 * Tells a client where to get a token for one route (RFC 9728), and names the route as tokens must name it.
 *
 * One document an upstream, because each route is a resource of its own: a token for one must not open another.
 * Open to everybody, like what it says; it lists only upstreams that the settings name.
 */
import type { Router } from 'express'
import express from 'express'
import type { JsonObject } from '../src/json/value.ts'

export interface Resource {
  /** Without a slash at its end. */
  readonly publicUrl: string
  readonly upstream: string
  readonly issuers: readonly string[]
  /** What a client should ask for; empty: the issuer's default. */
  readonly scopes: readonly string[]
}

/** What a token's audience names (RFC 8707 §2), character by character. */
export function resourceUrl(publicUrl: string, upstream: string): string {
  return `${publicUrl}/mcp/${encodeURIComponent(upstream)}`
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * Under the gateway's own URL. Where that URL has a path, RFC 9728 §3.1 would put it after the well-known part, at a
 * place on the host that is not ours; §5.1 lets the challenge name the place, so it does.
 */
export function metadataUrl(publicUrl: string, upstream: string): string {
  return `${publicUrl}${WELL_KNOWN}/mcp/${encodeURIComponent(upstream)}`
}

export function resourceMetadata({ publicUrl, upstream, issuers, scopes }: Resource): JsonObject {
  return {
    resource: resourceUrl(publicUrl, upstream),
    authorization_servers: [...issuers],
    ...(scopes.length > 0 ? { scopes_supported: [...scopes] } : {}),
    // The query and the body, RFC 6750's other two ways, end up in logs; MCP forbids the query outright.
    bearer_methods_supported: ['header'],
    resource_name: upstream,
  }
}

/** Clients ask at each sign-in, not at each call; an hour-old answer is as good. Seconds. */
const MAX_AGE_S = 3600

export function resourceMetadataRouter(options: {
  readonly publicUrl: string
  readonly issuers: readonly string[]
  readonly upstreams: ReadonlySet<string>
  scopesOf(upstream: string): readonly string[]
}): Router {
  const { publicUrl, issuers, upstreams } = options
  const router = express.Router()
  // Clients in browsers name their revision here too, for which a browser asks first (WHATWG Fetch §3.2.2).
  router.options(`${WELL_KNOWN}/mcp/:name`, (_request, response) => {
    response.set({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET',
      'access-control-allow-headers': 'MCP-Protocol-Version',
      'access-control-max-age': String(MAX_AGE_S),
    })
    response.status(204).end()
  })
  router.get(`${WELL_KNOWN}/mcp/:name`, (request, response) => {
    // RFC 9728 says nothing of it, but browser-based MCP clients read this from another origin, and it is public.
    response.set('access-control-allow-origin', '*')
    const upstream = request.params.name
    if (!upstreams.has(upstream)) {
      response.status(404).json({ error: 'unknown_upstream', message: 'No upstream of this name is configured.' })
      return
    }
    const scopes = options.scopesOf(upstream)
    response.set('cache-control', `public, max-age=${MAX_AGE_S}`)
    response.json(resourceMetadata({ publicUrl, upstream, issuers, scopes }))
  })
  return router
}
