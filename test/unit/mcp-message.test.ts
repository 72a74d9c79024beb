import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../src/json/value.ts'
import { checkHeaders } from '../../src/mcp/headers.ts'
import { classify, parseToolCall } from '../../src/mcp/message.ts'

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }

describe('classify', () => {
  it.each<[string, JsonValue, object]>([
    ['a legacy request', { jsonrpc: '2.0', id: 1, method: 'ping' }, { kind: 'request', era: 'legacy', params: {} }],
    [
      'a modern request',
      { jsonrpc: '2.0', id: 'a', method: 'x', params: { _meta: META } },
      { kind: 'request', era: 'modern' },
    ],
    ['a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }, { kind: 'notification' }],
    ['a response with a result', { jsonrpc: '2.0', id: 3, result: {} }, { kind: 'response', id: 3 }],
    ['a response with an error', { jsonrpc: '2.0', id: 3, error: { code: 1, message: 'x' } }, { kind: 'response' }],
  ])('knows %s', (_sentence, value, message) => {
    expect(classify(value)).toMatchObject({ ok: true, message })
  })

  it.each<[string, JsonValue, RegExp]>([
    ['a batch', [{ jsonrpc: '2.0', id: 1, method: 'ping' }], /batch/i],
    ['a scalar', 7, /not a JSON-RPC object/],
    ['another JSON-RPC version', { jsonrpc: '1.0', id: 1, method: 'ping' }, /jsonrpc/],
    ['a null id', { jsonrpc: '2.0', id: null, method: 'ping' }, /`id`/],
    ['a fractional id', { jsonrpc: '2.0', id: 1.5, method: 'ping' }, /`id`/],
    ['a method that is no string', { jsonrpc: '2.0', id: 1, method: {} }, /`method`/],
    ['a method by which policy knows a GET', { jsonrpc: '2.0', id: 1, method: 'stream/get' }, /stream\/get/],
    ['a method by which policy knows a DELETE', { jsonrpc: '2.0', method: 'session/delete' }, /session\/delete/],
    ['a method by which policy knows an answer', { jsonrpc: '2.0', id: 1, method: 'response' }, /response/],
    ['params that are a list', { jsonrpc: '2.0', id: 1, method: 'ping', params: [] }, /`params`/],
    ['a request that is a response too', { jsonrpc: '2.0', id: 1, method: 'ping', result: {} }, /not both/],
    ['a response with both result and error', { jsonrpc: '2.0', id: 1, result: {}, error: {} }, /exactly one/],
    ['an empty object', {}, /jsonrpc/],
  ])('refuses %s', (_sentence, value, message) => {
    expect(classify(value)).toMatchObject({ ok: false, message: expect.stringMatching(message) })
  })
})

describe('parseToolCall', () => {
  it.each<[string, Record<string, JsonValue>]>([
    ['no name', {}],
    ['an empty name', { name: '' }],
    ['a name that is a list', { name: ['a'] }],
    ['arguments that are a list', { name: 'a', arguments: [] }],
    ['arguments that are a string', { name: 'a', arguments: '{}' }],
  ])('refuses %s', (_sentence, params) => {
    expect(parseToolCall(params).ok).toBe(false)
  })

  it('carries a continuation into what is approved', () => {
    const plain = parseToolCall({ name: 'a' })
    const continued = parseToolCall({ name: 'a', requestState: 'opaque' })
    expect(plain).toMatchObject({ ok: true, call: { otherParams: null, arguments: {} } })
    expect(continued).toMatchObject({ ok: true, call: { otherParams: { requestState: 'opaque' } } })
  })

  it('carries every other member into what is approved, but not what clients number their calls with', () => {
    const call = parseToolCall({ name: 'a', arguments: {}, task: { ttl: 1 }, _meta: { 'client/callId': 'x' } })
    expect(call).toMatchObject({ ok: true, call: { otherParams: { task: { ttl: 1 } } } })
    expect(call.ok && Object.keys(call.call.otherParams as object)).toEqual(['task'])
  })
})

describe('the reason that an agent states', () => {
  const reasonOf = (_meta: JsonValue) => {
    const parsed = parseToolCall({ name: 'a', _meta })
    return parsed.ok ? parsed.call.statedReason : 'refused'
  }

  it.each<[string, JsonValue, string | null]>([
    ['is read from its key', { 'countersign/reason': ' The ticket says so. ' }, 'The ticket says so.'],
    ['may have 500 characters', { 'countersign/reason': 'x'.repeat(500) }, 'x'.repeat(500)],
    [
      'is no reason where it has more: half of one may say the opposite',
      { 'countersign/reason': 'x'.repeat(501) },
      null,
    ],
    ['is no reason where it is empty', { 'countersign/reason': ' ' }, null],
    ['is no reason where it is no text', { 'countersign/reason': ['x'] }, null],
    ['is no reason under another key', { reason: 'x', 'Countersign/reason': 'x' }, null],
    ['is no reason where _meta is no object', 'countersign/reason', null],
  ])('[REQ-REASON-1] %s', (_sentence, meta, expected) => {
    expect(reasonOf(meta)).toBe(expected)
  })

  it('is no part of what is approved', () => {
    const parsed = parseToolCall({ name: 'a', _meta: { 'countersign/reason': 'x' } })
    expect(parsed).toMatchObject({ ok: true, call: { otherParams: null, arguments: {} } })
  })
})

describe('checkHeaders', () => {
  const call = { kind: 'request', id: 1, method: 'tools/call', era: 'modern' } as const
  const message = (name: string, args: Record<string, JsonValue> = {}) => ({
    ...call,
    params: { name, arguments: args, _meta: META },
  })
  const base = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call' }
  const definition = {
    inputSchema: {
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        where: { type: 'object', properties: { zone: { type: 'integer', 'x-mcp-header': 'Zone' } } },
      },
    },
  }

  it.each<[string, Record<string, string>, Parameters<typeof checkHeaders>[1], Record<string, string>]>([
    ['equal headers', { ...base, 'mcp-name': 'get' }, message('get'), { ...base, 'mcp-name': 'get' }],
    [
      'a name in its Base64 form',
      { ...base, 'mcp-name': '=?base64?SGVsbG8sIOS4lueVjA==?=' },
      message('Hello, 世界'),
      { ...base, 'mcp-name': '=?base64?SGVsbG8sIOS4lueVjA==?=' },
    ],
    [
      'a mirrored argument, and adds the one that was left out',
      { ...base, 'mcp-name': 'get', 'mcp-param-region': 'eu' },
      message('get', { region: 'eu', where: { zone: 3 } }),
      { ...base, 'mcp-name': 'get', 'mcp-param-region': 'eu', 'mcp-param-zone': '3' },
    ],
    [
      'a task’s id, by which servers route',
      { ...base, 'mcp-method': 'tasks/get', 'mcp-name': 'task-1' },
      { ...call, method: 'tasks/get', params: { taskId: 'task-1', _meta: META } },
      { ...base, 'mcp-method': 'tasks/get', 'mcp-name': 'task-1' },
    ],
    [
      'a version that is no revision, for the server to refuse',
      { ...base, 'mcp-protocol-version': 'v999', 'mcp-name': 'get' },
      { ...call, params: { name: 'get', _meta: { 'io.modelcontextprotocol/protocolVersion': 'v999' } } },
      { ...base, 'mcp-protocol-version': 'v999', 'mcp-name': 'get' },
    ],
    [
      'a legacy message, passing only its version',
      { 'mcp-protocol-version': '2025-11-25', 'mcp-name': 'spoofed' },
      { ...call, era: 'legacy', params: { name: 'get' } },
      { 'mcp-protocol-version': '2025-11-25' },
    ],
  ])('accepts %s', (_sentence, incoming, judged, headers) => {
    expect(checkHeaders(incoming, judged, definition)).toEqual({ ok: true, headers })
  })

  it.each<[string, Record<string, string>, Parameters<typeof checkHeaders>[1]]>([
    ['another method', { ...base, 'mcp-method': 'tools/list', 'mcp-name': 'get' }, message('get')],
    ['another name', { ...base, 'mcp-name': 'read' }, message('delete')],
    ['a missing name', base, message('get')],
    [
      'another task’s id',
      { ...base, 'mcp-method': 'tasks/get', 'mcp-name': 'task-2' },
      { ...call, method: 'tasks/get', params: { taskId: 'task-1', _meta: META } },
    ],
    ['a name sent twice, which Node joins', { ...base, 'mcp-name': 'get, get' }, message('get')],
    ['a malformed Base64 form', { ...base, 'mcp-name': '=?base64?SGVsbG8?=' }, message('Hello')],
    ['another revision', { ...base, 'mcp-protocol-version': '2026-07-29', 'mcp-name': 'get' }, message('get')],
    [
      'a version that is no header',
      { ...base, 'mcp-protocol-version': 'a b', 'mcp-name': 'get' },
      { ...call, params: { name: 'get', _meta: { 'io.modelcontextprotocol/protocolVersion': 'a b' } } },
    ],
    ['a revision that is no date', { 'mcp-protocol-version': 'latest' }, { ...call, era: 'legacy', params: {} }],
    [
      'a mirrored argument with another value',
      { ...base, 'mcp-name': 'get', 'mcp-param-region': 'us' },
      message('get', { region: 'eu' }),
    ],
    [
      'a header that the schema does not know',
      { ...base, 'mcp-name': 'get', 'mcp-param-admin': 'yes' },
      message('get', { admin: 'yes' }),
    ],
  ])('[REQ-FORWARD-5] refuses %s', (_sentence, incoming, judged) => {
    expect(checkHeaders(incoming, judged, definition)).toMatchObject({ ok: false, code: 'header_mismatch' })
  })

  it('[REQ-FORWARD-5] refuses a body without the version that its header needs, as a body that lacks a parameter', () => {
    const legacy = { ...call, era: 'legacy', params: { name: 'get' } } as const
    expect(checkHeaders(base, legacy, definition)).toMatchObject({ ok: false, code: 'invalid_params' })
  })
})
