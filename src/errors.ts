/**
 * Every fault that an outsider can see, in one table: HTTP status, JSON-RPC code and the cure.
 *
 * Outcomes (denied, expired, already resolved) are values and not here. Our own JSON-RPC codes stay in
 * -32000..-32019; MCP keeps -32020..-32099 for itself (MCP 2026-07-28, basic/index, "Error Codes").
 * A message names the field or the rule and what to do. It never holds a token, an argument's value or a match.
 */
export const ERRORS = {
  // The request itself
  parse_error: { http: 400, rpc: -32700, cure: 'Send one well-formed JSON-RPC message.' },
  invalid_request: { http: 400, rpc: -32600, cure: 'Send a JSON-RPC 2.0 request, notification or response.' },
  invalid_params: { http: 400, rpc: -32602, cure: 'Correct the parameters that the message names.' },
  header_mismatch: { http: 400, rpc: -32020, cure: 'Make the Mcp-* headers equal to the body.' },
  missing_capability: {
    http: 400,
    rpc: -32021,
    cure: 'Declare the capability in _meta, with every request that needs it.',
  },
  unknown_task: {
    http: 200,
    rpc: -32602,
    cure: 'Use the taskId that this client was given, before its ttlMs is over.',
  },
  unsupported_media_type: { http: 415, rpc: -32600, cure: 'Send application/json without a content encoding.' },
  body_too_large: { http: 413, rpc: -32600, cure: 'Send less in one message, or raise gateway.maxBodyBytes.' },
  method_not_allowed: { http: 405, rpc: -32600, cure: 'Use POST, GET or DELETE on the MCP endpoint.' },
  origin_refused: { http: 403, rpc: -32600, cure: 'Add the origin to gateway.allowedOrigins.' },
  host_refused: {
    http: 403,
    rpc: -32600,
    cure: 'Use gateway.publicUrl; a proxy in front must pass Host on unchanged.',
  },
  unknown_upstream: { http: 404, rpc: -32600, cure: 'Use /mcp/<name> with a name from the settings’ upstreams.' },
  // -32001 as the SDK's own servers answer it, so that clients which look at the code know it.
  unknown_session: { http: 404, rpc: -32001, cure: 'Begin a new session with initialize.' },
  unauthenticated: { http: 401, rpc: -32600, cure: 'Send one bearer access token issued for this gateway.' },
  denied_by_policy: { http: 200, rpc: -32003, cure: 'Ask the owner of the policy, or call something else.' },
  frozen: { http: 200, rpc: -32004, cure: 'Ask whoever stopped it; nothing passes until it is thawed.' },
  // What we depend on
  identity_unavailable: { http: 503, rpc: -32010, cure: 'The issuer’s keys cannot be read; try again later.' },
  directory_unavailable: {
    http: 503,
    rpc: -32018,
    cure: 'Who may review cannot be looked up right now; nothing was decided and nothing was forwarded; try again.',
  },
  store_unavailable: {
    http: 503,
    rpc: -32011,
    cure: 'Redis cannot be reached; nothing was forwarded; try again later.',
  },
  recording_failed: { http: 503, rpc: -32012, cure: 'The recording cannot be written, so nothing goes through.' },
  upstream_unreachable: { http: 502, rpc: -32013, cure: 'The MCP server did not answer; check it and try again.' },
  upstream_refused_credential: { http: 502, rpc: -32014, cure: 'Check the upstream’s credential in the settings.' },
  upstream_bad_answer: { http: 502, rpc: -32015, cure: 'The MCP server’s answer breaks the protocol or a limit.' },
  draining: { http: 503, rpc: -32016, cure: 'This gateway is stopping; try again.' },
  too_many_holds: { http: 429, rpc: -32017, cure: 'Wait until some of the open approvals are decided.' },
  internal: { http: 500, rpc: -32603, cure: 'A fault of the gateway; its log has the details under the call’s id.' },
} as const satisfies Record<string, { http: number; rpc: number; cure: string }>

export type ErrorCode = keyof typeof ERRORS

/** A fault with a code from the table. Compare `code`, never `message`. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  get httpStatus(): number {
    return ERRORS[this.code].http
  }

  get rpcCode(): number {
    return ERRORS[this.code].rpc
  }

  get cure(): string {
    return ERRORS[this.code].cure
  }
}
