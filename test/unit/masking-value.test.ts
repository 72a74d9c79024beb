import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../src/json/value.ts'
import { DETECTORS } from '../../src/masking/detectors.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { fieldKind } from '../../src/masking/secret-fields.ts'
import { createTextScanner } from '../../src/masking/text-scan.ts'
import { Secret } from '../../src/secret.ts'
import { GITHUB, JWT, letters, PEM } from '../support/secret-samples.ts'

const masker = createMasker()
const lent = [new Secret('fs-upstream-8f3a9c')]
const value = (input: JsonValue) => masker.maskValue(input, lent).value
const message = (input: JsonValue) => masker.maskMessage(input, lent)
const FIELD = '[masked:secret-field]'
const TOKEN = '[masked:github-token]'
const CREDENTIAL = '[masked:credential]'
const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('masking values', () => {
  it.each<[string, JsonValue, JsonValue]>([
    ['a string', GITHUB, TOKEN],
    ['a string in an array', [1, [GITHUB]], [1, [TOKEN]]],
    ['a string in an object', { a: { b: `x ${GITHUB}` } }, { a: { b: `x ${TOKEN}` } }],
    ['a field named password', { password: 'hunter2' }, { password: FIELD }],
    ['a field in capitals', { DB_PASSWORD: 'x' }, { DB_PASSWORD: FIELD }],
    ['a field in camel case', { clientSecret: 'x', userPassword: 'y' }, { clientSecret: FIELD, userPassword: FIELD }],
    ['a field with hyphens', { 'api-key': 'x' }, { 'api-key': FIELD }],
    ['an authorization field', { Authorization: 'Bearer x' }, { Authorization: FIELD }],
    [
      'every kind of token field',
      { access_token: 'a', refreshToken: 'b' },
      { access_token: FIELD, refreshToken: FIELD },
    ],
    ['a private key field', { private_key: 'abc' }, { private_key: FIELD }],
    ['a long field named token', { token: letters(16) }, { token: FIELD }],
    ['a list under a secret name', { secret: ['a', 'b'] }, { secret: [FIELD, FIELD] }],
    ['name and value', [{ name: 'DB_PASSWORD', value: 'x' }], [{ name: 'DB_PASSWORD', value: FIELD }]],
    ['key and value', { Key: 'Authorization', Value: 'x' }, { Key: 'Authorization', Value: FIELD }],
    ['a key', { [GITHUB]: 1 }, { [TOKEN]: 1 }],
    [
      'two keys, without losing a member',
      { [GITHUB]: 1, [`ghp_${letters(36, 2)}`]: 2 },
      { [TOKEN]: 1, [`${TOKEN}#1`]: 2 },
    ],
    ['the lent credential in a key', { 'fs-upstream-8f3a9c': 1 }, { [CREDENTIAL]: 1 }],
    ['a whole key across lines', { pem: PEM, next: 1 }, { pem: '[masked:private-key-pem]', next: 1 }],
  ])('masks %s', (_, input, expected) => {
    expect(value(input)).toEqual(expected)
  })

  it.each<[string, JsonValue]>([
    ['types that are no text', { password: true, secret: null, api_key: 12345678, token: 1 }],
    ['an empty password', { password: '' }],
    ['a word named token', { token: 'hello' }],
    [
      'the handles of MCP',
      { nextCursor: letters(40), progressToken: 'abcdefghijklmnopqrst', nextPageToken: letters(30) },
    ],
    ['names that only begin alike', { password_policy: 'strong', secretary: 'Ann', tokenizer: 'bpe', keys: 'a' }],
    ['a schema of a password', { properties: { password: { type: 'string' } }, required: ['password'] }],
    ['name and value of something else', { name: 'HOME', value: '/root' }],
    ['what is masked already', { password: FIELD, text: `x ${TOKEN} y` }],
  ])('leaves %s alone, as the very same value', (_, input) => {
    const result = masker.maskValue(input, lent)
    expect(result).toEqual({ value: input, findings: [], changed: false })
    expect(result.value).toBe(input)
  })

  it('does not change what it was given, and shares what stayed', () => {
    const input = { a: [GITHUB], b: { c: [1] } }
    const copy = structuredClone(input)
    const output = value(input) as typeof input
    expect(input).toEqual(copy)
    expect(output.b).toBe(input.b)
  })

  it('keeps every type', () => {
    const kinds = (input: JsonValue): JsonValue =>
      input !== null && typeof input === 'object'
        ? Object.values(input).map((member) => kinds(member as JsonValue))
        : typeof input
    const input = { a: GITHUB, password: 'x', list: [GITHUB, 1, null, true, { secret: 'y', n: 2 }] }
    expect(kinds(value(input))).toEqual(kinds(input))
  })

  it('masks unseen what is too deep to look at', () => {
    const deep = Array.from({ length: 200 }).reduce<JsonValue>((inner) => [inner], GITHUB)
    expect(JSON.stringify(value(deep))).toMatch(/^\[{128}"\[masked:too-deep\]"\]{128}$/)
  })

  it('counts every replacement', () => {
    const { findings } = masker.maskValue([GITHUB, { password: 'a', secret: 'b' }, 'fs-upstream-8f3a9c'], lent)
    expect(findings).toEqual([
      { detector: 'credential', count: 1 },
      { detector: 'github-token', count: 1 },
      { detector: 'secret-field', count: 2 },
    ])
  })

  it('knows a keyword for every secret field, or JSON in text would not be parsed for it', () => {
    const scanner = createTextScanner(DETECTORS)
    const stems =
      'password passwd passphrase secret secret_key secretKey secret-access-key access_key accessKey apikey api_key api-key'
    const more =
      'api_token access_token refreshToken auth-token bearer_token session_token id_token private_key privateKey pwd authorization Proxy-Authorization token'
    for (const name of `${stems} ${more}`.split(' ')) {
      expect(fieldKind(name), name).not.toBe('other')
      expect(scanner.scan(`{"${name}": 1, "x": 1}`, []).mayHoldMore, name).toBe(true)
    }
  })
})

describe('masking JSON in text', () => {
  it.each<[string, string, string]>([
    ['a secret field', '{"password":"hunter2"}', `{"password":"${FIELD}"}`],
    ['a short secret', '[{"pwd":"x"}]', `[{"pwd":"${FIELD}"}]`],
    [
      'and keeps the spacing',
      '{\n  "a": 1.0,\n  "password" : "x"\n}\n',
      `{\n  "a": 1.0,\n  "password" : "${FIELD}"\n}\n`,
    ],
    [
      'and keeps long numbers',
      '{"id":1234567890123456789,"secret":"x"}',
      `{"id":1234567890123456789,"secret":"${FIELD}"}`,
    ],
    ['and keeps escapes beside it', '{"a":"\\u00e9\\/","secret":"x"}', `{"a":"\\u00e9\\/","secret":"${FIELD}"}`],
    ['an escaped token', `{"a":"\\u0067hp_${GITHUB.slice(4)}"}`, `{"a":"${TOKEN}"}`],
    ['an escaped name', '{"pass\\u0077ord":"x"}', `{"pass\\u0077ord":"${FIELD}"}`],
    [
      'a key without end, up to its leaf',
      `{"a":${JSON.stringify(PEM.slice(0, 100))},"b":1}`,
      '{"a":"[masked:private-key-pem]","b":1}',
    ],
    ['JSON within JSON', JSON.stringify({ a: '{"password":"x"}' }), JSON.stringify({ a: `{"password":"${FIELD}"}` })],
    ['the first of two equal keys', `{"a":"${GITHUB}","a":"x"}`, `{"a":"${TOKEN}","a":"x"}`],
    ['both of two equal keys', `{"a":"${GITHUB}","a":"${JWT}"}`, '{"a":"[masked:jwt]"}'],
    [
      'lines of JSON',
      '{"password":"hunter2"}\n{"password":"hunter3"}',
      '{"password":"[masked:assigned-secret]"}\n{"password":"[masked:assigned-secret]"}',
    ],
    ['JSON that is cut off', '{"a":1,"password":"hunter2","b', '{"a":1,"password":"[masked:assigned-secret]","b'],
  ])('masks %s', (_, text, expected) => {
    expect(masker.maskText(text, lent).value).toBe(expected)
  })

  it.each([
    ['with escapes', '{ "a" : "\\u00e9\\n" }'],
    ['with names but no values', '{"password":"","secret":null}'],
    ['of great depth', `${'['.repeat(50)}"\\n"${']'.repeat(50)}`],
  ])('leaves JSON %s byte for byte', (_, text) => {
    expect(masker.maskText(text, lent)).toEqual({ value: text, findings: [], changed: false })
  })
})

describe('masking messages', () => {
  it('[REQ-MASK-1] masks results: text, structured content and embedded resources', () => {
    const result = message({
      jsonrpc: '2.0',
      id: 1,
      result: {
        content: [
          { type: 'text', text: `token ${GITHUB}` },
          { type: 'resource', resource: { uri: 'file:///a', mimeType: 'text/plain', text: 'fs-upstream-8f3a9c' } },
        ],
        structuredContent: { rows: [{ password: 'x', n: 1 }] },
      },
    })
    expect(result.value).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: {
        content: [
          { type: 'text', text: `token ${TOKEN}` },
          { type: 'resource', resource: { uri: 'file:///a', mimeType: 'text/plain', text: CREDENTIAL } },
        ],
        structuredContent: { rows: [{ password: FIELD, n: 1 }] },
      },
    })
  })

  it.each<[string, JsonValue, JsonValue]>([
    [
      'errors',
      { error: { code: -32000, message: GITHUB, data: { a: GITHUB } } },
      { error: { code: -32000, message: TOKEN, data: { a: TOKEN } } },
    ],
    ['parameters', { method: 'x', params: { data: GITHUB } }, { method: 'x', params: { data: TOKEN } }],
    ['parameters that are a list', { params: [GITHUB] }, { params: [TOKEN] }],
    ['a result that is no object', { result: GITHUB }, { result: TOKEN }],
    ['members that do not belong there', { result: {}, extra: GITHUB }, { result: {}, extra: TOKEN }],
    [
      'every message of a list',
      [{ result: { a: GITHUB } }, { result: {} }],
      [{ result: { a: TOKEN } }, { result: {} }],
    ],
    ['something that is no message', GITHUB, TOKEN],
  ])('masks %s', (_, input, expected) => {
    expect(message(input).value).toEqual(expected)
  })

  it('never touches the envelope', () => {
    const input = { jsonrpc: '2.0', id: GITHUB, method: GITHUB, params: {} }
    expect(message(input)).toEqual({ value: input, findings: [], changed: false })
  })

  it('leaves handles to come back unchanged, unless they hold the lent credential', () => {
    const handles = { nextCursor: JWT, requestState: JWT }
    expect(message({ result: handles }).changed).toBe(false)
    expect(message({ params: { cursor: JWT } }).changed).toBe(false)
    expect(message({ result: { nextCursor: base64('x:fs-upstream-8f3a9c') } }).value).toEqual({
      result: { nextCursor: CREDENTIAL },
    })
    expect(message({ result: { deeper: handles } }).changed).toBe(true)
  })

  it('leaves images and other binary content alone', () => {
    const data = base64(`\u0000 ${GITHUB}`)
    const input = {
      result: {
        content: [
          { type: 'image', data, mimeType: 'image/png' },
          { type: 'resource', resource: { uri: 'file:///a.bin', blob: data } },
        ],
      },
    }
    expect(message(input).changed).toBe(false)
  })

  it('masks text in base64 and writes it as base64 again', () => {
    const blob = (text: string) => ({
      result: { contents: [{ uri: 'file:///a', mimeType: 'text/plain', blob: base64(text) }] },
    })
    expect(message(blob(`a ${GITHUB} b`)).value).toEqual(blob(`a ${TOKEN} b`))
    expect(message(blob('nothing here')).changed).toBe(false)
  })

  it('masks an image that holds the lent credential, as base64', () => {
    const input = {
      result: { content: [{ type: 'image', data: base64('PNG fs-upstream-8f3a9c'), mimeType: 'image/png' }] },
    }
    expect(message(input).value).toEqual({
      result: { content: [{ type: 'image', data: base64(CREDENTIAL), mimeType: 'image/png' }] },
    })
  })
})
