/** What becomes of a list on its way to the agent: which entries stay, what is added, and that nothing else changes. */
import { describe, expect, it } from 'vitest'
import { maskAnswer, maskEvent } from '../../src/gate/answer.ts'
import type { ListingOptions } from '../../src/gate/listing.ts'
import { LIST_TTL_MS_MAX, shapeOf } from '../../src/gate/listing.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { META_PROTOCOL_VERSION, STREAM_METHOD } from '../../src/mcp/message.ts'
import { aPrincipal } from '../support/examples.ts'
import { policyOf } from '../support/policies.ts'

const MODERN = { _meta: { [META_PROTOCOL_VERSION]: '2026-07-28' } }
const masker = createMasker()
const POLICY = policyOf(`
  - { id: gone, effect: deny, match: { tool: "delete_*" } }
  - { id: asked, effect: require_approval, match: { tool: write_file } }
  - { id: forced, effect: require_approval, match: { tool: move_file }, when: has(mcp.tool.arguments.force) }
  - { id: free, effect: allow }
  - { id: docs, effect: allow, match: { method: resources/read }, when: 'mcp.params.uri.startsWith("docs://")' }
  - { id: greeting, effect: allow, match: { method: prompts/get }, when: mcp.params.name == "greet" }
`)
const ALLOW_ALL = policyOf('  - { id: all, effect: allow, match: { method: "*" } }')

interface Asked {
  readonly method?: string
  readonly params?: JsonObject
  readonly options?: Partial<ListingOptions>
  readonly upstream?: string
}

function shape({ method = 'tools/list', params = {}, options = {}, upstream = 'files' }: Asked) {
  const call = { upstream, method, principal: aPrincipal(), arguments: params }
  return shapeOf({ policy: POLICY, tasks: false, ...options }, call)
}

/** Whole and as an event, which must come to the same. */
function answered(text: string, asked: Asked = {}): string {
  const headers = { 'content-type': 'application/json' }
  const body = new TextEncoder().encode(text)
  const whole = maskAnswer(masker, { kind: 'whole', status: 200, headers, body }, [], shape(asked))
  const event = { id: '7', event: 'message', data: text, retryMs: null }
  const streamed = maskEvent(masker, event, [], shape(asked))
  expect(streamed.event).toEqual({ ...event, data: new TextDecoder().decode(whole.body) })
  return streamed.event.data
}

const list = (entries: string, more = '') => `{"jsonrpc":"2.0","id":1,"result":{"tools":[${entries}]${more}}}`
const READ = '{ "name":"read_file", "description":"caf\\u00e9", "x-id":12345678901234567890, "v":1.0 }'
const DELETE = '{"name":"delete_file","description":"no"}'

describe('a list of tools', () => {
  it('[REQ-LIST-1] has no tool that policy could never allow, and every other one', () => {
    expect(answered(list(`${DELETE}, ${READ} ,${DELETE}`))).toBe(list(` ${READ} `))
  })

  it('is empty where policy could allow none', () => {
    expect(answered(list(`${DELETE},${DELETE}`, ',"nextCursor":"2"'))).toBe(list('', ',"nextCursor":"2"'))
  })

  it('[REQ-LIST-4] keeps all its bytes where policy hides and holds nothing', () => {
    const text = ` ${list(`${READ} ,\n ${READ}`, ', "nextCursor" : "2", "_meta":{} ')} `
    expect(answered(text)).toBe(text)
    expect(answered(text, { options: { policy: ALLOW_ALL } })).toBe(text)
  })

  it('[REQ-LIST-2] says of a tool whose calls wait that they do, for models and for programs', () => {
    const tool = (name: string, more: string) => `{"name":"${name}",${more}"v":1.0`
    const meta = (when: string) =>
      `,"_meta":{"dev.countersign/policy":{"effect":"require_approval","when":"${when}","reason":"countersign/reason"}}`
    expect(answered(list(`${tool('write_file', '"description":"Wr\\u0069tes",')}}`))).toBe(
      list(
        `${tool('write_file', '"description":"Wr\\u0069tes. Calls wait for a person\'s approval.",')}${meta('always')}}`,
      ),
    )
    expect(answered(list(`${tool('move_file', '"description":"Moves.",')}}`))).toBe(
      list(
        `${tool('move_file', '"description":"Moves. Some calls wait for a person\'s approval.",')}${meta('sometimes')}}`,
      ),
    )
    expect(answered(list(`${tool('write_file', '')}}`))).toBe(
      list(`${tool('write_file', '')}${meta('always')},"description":"Calls wait for a person's approval."}`),
    )
  })

  it.each([
    ['an empty description', '""', "Calls wait for a person's approval."],
    ['a description that ends in a line break', '"Writes\\n"', "Writes\nCalls wait for a person's approval."],
    ['a description that asks', '"Write?"', "Write? Calls wait for a person's approval."],
    ['a description that is none', '7', 7],
  ])('says so behind %s', (_sentence, description, expected) => {
    const { result } = JSON.parse(answered(list(`{"name":"write_file","description":${description}}`)))
    expect(result.tools[0].description).toBe(expected)
  })

  it('keeps what else a held tool’s _meta says, but not its own word on policy', () => {
    const meta = '{"a":1.0,"dev.countersign/policy":{"effect":"allow"},"b":12345678901234567890}'
    const text = answered(list(`{"name":"write_file","_meta":${meta}}`))
    expect(text).toContain(
      '"_meta":{"a":1.0,"dev.countersign/policy":{"effect":"require_approval","when":"always","reason":"countersign/reason"},"b":12345678901234567890}',
    )
    expect(JSON.parse(answered(list('{"name":"write_file","_meta":"none"}'))).result.tools[0]._meta).toEqual({
      'dev.countersign/policy': { effect: 'require_approval', when: 'always', reason: 'countersign/reason' },
    })
  })

  it.each([
    ['an entry that is no object', '"read_file"'],
    ['an entry in a list of its own', `[${READ}]`],
    ['an entry without a name', '{"description":"x"}'],
    ['a name that is no string', '{"name":["read_file"]}'],
    ['a name in capitals alone', '{"Name":"read_file"}'],
    ['a name with a character without width', '{"name":"read\\u200b_file"}'],
    ['a name that a lenient server takes for a denied one', '{"name":"DELETE_file"}'],
    ['an empty name', '{"name":""}'],
    ['an endless name', `{"name":"${'x'.repeat(300)}"}`],
  ])('leaves out %s', (_sentence, entry) => {
    expect(answered(list(`${entry},${READ}`))).toBe(list(READ))
  })

  it('masks and leaves out in one go', () => {
    const secret = `ghp_${'a1B2'.repeat(9)}`
    const entry = (text: string) => `{"name":"read_file","id":12345678901234567890,"description":"${text}"}`
    const text = answered(list(`${DELETE},${entry(`key ${secret}`)},{"name":"delete_x"}`))
    expect(text).not.toContain(secret)
    expect(text).toMatch(
      /^\{"jsonrpc":"2.0","id":1,"result":\{"tools":\[\{"name":"read_file","id":12345678901234567890,"description":"key \[masked:[a-z-]+\]"\}\]\}\}$/,
    )
  })

  it.each([
    ['a member twice', list(`{"name":"delete_file","name":"read_file"}`)],
    ['entries that are no array', '{"jsonrpc":"2.0","id":1,"result":{"tools":{"0":{"name":"delete_file"}}}}'],
    ['half an answer', '{"jsonrpc":"2.0","id":1,"result":{"tools":['],
  ])('is withheld where it has %s', (_sentence, text) => {
    expect(() => answered(text)).toThrow(/withheld/)
  })

  it('is withheld where it is not JSON, and an error is not', () => {
    const body = new TextEncoder().encode(list(DELETE))
    const other = (status: number) =>
      maskAnswer(masker, { kind: 'whole', status, headers: { 'content-type': 'text/plain' }, body }, [], shape({}))
    expect(() => other(200)).toThrow(/withheld/)
    expect(other(404).body).toBe(body)
  })

  it.each([
    [
      'an error',
      '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":{"tools":[{"name":"delete_file"}]}}}',
    ],
    ['a notification', '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'],
    [
      'a request of the server’s',
      '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"tools":[{"name":"delete_file"}]}}',
    ],
    ['a result without a list', '{"jsonrpc":"2.0","id":1,"result":{}}'],
  ])('is not what this is: %s', (_sentence, text) => {
    expect(answered(text)).toBe(text)
  })

  it('is found among several messages of one answer', () => {
    expect(answered(`[${list(DELETE)},{"jsonrpc":"2.0","method":"x"}]`)).toBe(
      `[${list('')},{"jsonrpc":"2.0","method":"x"}]`,
    )
  })

  it('is found where a legacy client resumes its stream', () => {
    const resumed = (text: string) => answered(text, { method: STREAM_METHOD })
    expect(resumed(list(`${READ},${DELETE}`))).toBe(list(READ))
    const others = '{"jsonrpc":"2.0","id":2,"result":{"prompts":[{"name":"greet"},{"name":"no"}],"resources":"none"}}'
    expect(resumed(others)).toBe(others.replace(',{"name":"no"}', ''))
    const called = `{"jsonrpc":"2.0","id":2,"result":{"content":[],"structuredContent":{"tools":[${DELETE}]}}}`
    expect(resumed(called)).toBe(called)
  })
})

describe('other lists', () => {
  it.each([
    ['prompts', 'prompts/list', 'prompts', '{"name":"greet"}', '{"name":"other"}'],
    [
      'resources',
      'resources/list',
      'resources',
      '{"uri":"docs://a"}',
      '{"uri":"file:///etc/passwd","name":"docs://a"}',
    ],
    ['resources without an address', 'resources/list', 'resources', '{"uri":"docs://a"}', '{"name":"docs://a"}'],
    ['templates', 'resources/templates/list', 'resourceTemplates', '{"uriTemplate":"docs://{a}"}', '{"name":"docs"}'],
  ])('[REQ-LIST-1] of %s have only what policy could allow', (_sentence, method, entries, stays, goes) => {
    const text = (inner: string) => `{"jsonrpc":"2.0","id":1,"result":{"${entries}":[${inner}],"n":1.0}}`
    expect(answered(text(`${goes},${stays},${goes}`), { method })).toBe(text(stays))
  })

  it('[REQ-LIST-4] keep all their bytes where policy allows everything', () => {
    const text = '{"jsonrpc":"2.0","id":1,"result":{ "resources":[{"uri":"file:///a","size":1.0} ],"n":1.0}}'
    expect(answered(text, { method: 'resources/list', options: { policy: ALLOW_ALL } })).toBe(text)
  })

  it('are left alone where they answer something else', () => {
    const text = list(DELETE)
    for (const method of ['tools/call', 'x/list', 'resources/read', 'initialize']) {
      expect(answered(text, { method })).toBe(text)
    }
  })
})

describe('a list of MCP 2026-07-28', () => {
  const modern = (text: string, method = 'tools/list') => answered(text, { params: MODERN, method })

  it.each([
    ['of one that anyone might keep', ',"ttlMs":1,"cacheScope":"public"', ',"ttlMs":1,"cacheScope":"private"'],
    ['of one that says nothing of it', ',"resultType":"complete"', ',"resultType":"complete","cacheScope":"private"'],
    ['and leaves it', ' , "cacheScope" : "private" ', ' , "cacheScope" : "private" '],
    [
      'of a long-lived one that policy left whole',
      ',"ttlMs":9e9,"cacheScope":"public"',
      ',"ttlMs":9e9,"cacheScope":"private"',
    ],
  ])('[REQ-LIST-3] becomes private, %s', (_sentence, before, after) => {
    expect(modern(list(READ, before))).toBe(list(READ, after))
  })

  it('[REQ-LIST-3] is kept for five minutes at most where policy changed it', () => {
    const lives = (ttl: string) => modern(list(`${READ},${DELETE}`, `,"ttlMs":${ttl},"cacheScope":"public"`))
    expect(lives('3600000')).toBe(list(READ, `,"ttlMs":${LIST_TTL_MS_MAX},"cacheScope":"private"`))
    expect(lives('60000')).toBe(list(READ, ',"ttlMs":60000,"cacheScope":"private"'))
  })

  it('[REQ-LIST-3] is private whatever it lists, and so is a resource', () => {
    for (const [method, entries] of [
      ['prompts/list', 'prompts'],
      ['resources/list', 'resources'],
      ['resources/templates/list', 'resourceTemplates'],
      ['resources/read', 'contents'],
    ]) {
      const text = (scope: string) => `{"jsonrpc":"2.0","id":1,"result":{"${entries}":[],"cacheScope":"${scope}"}}`
      expect(modern(text('public'), method)).toBe(text('private'))
    }
    const asks = '{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required"}}'
    expect(modern(asks, 'resources/read')).toBe(asks)
  })
})

describe('what an upstream can do', () => {
  const discovered = (capabilities: string) =>
    `{"jsonrpc":"2.0","id":1,"result":{"capabilities":${capabilities},"v":1.0}}`
  const discover = (text: string, change: Asked = {}) =>
    answered(text, { method: 'server/discover', params: MODERN, options: { tasks: true }, ...change })

  it.each([
    ['no extensions', '{"tools":{}}', '{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}'],
    ['nothing', '{}', '{"extensions":{"io.modelcontextprotocol/tasks":{}}}'],
    [
      'another extension',
      '{"extensions":{"a/b":{"n":1.0}}}',
      '{"extensions":{"a/b":{"n":1.0},"io.modelcontextprotocol/tasks":{}}}',
    ],
    [
      'tasks',
      '{"extensions":{"io.modelcontextprotocol/tasks":{"n":1.0}}}',
      '{"extensions":{"io.modelcontextprotocol/tasks":{"n":1.0}}}',
    ],
    ['extensions that are none', '{"extensions":[]}', '{"extensions":[]}'],
    ['capabilities that are none', '[]', '[]'],
  ])('has tasks added where calls can be held: to %s', (_sentence, before, after) => {
    expect(discover(discovered(before))).toBe(discovered(after))
  })

  it('stays as it is where no call can be held, where tasks are off, and where there is no answer', () => {
    const text = discovered('{}')
    expect(discover(text, { options: { tasks: true, policy: ALLOW_ALL } })).toBe(text)
    expect(discover(text, { options: {} })).toBe(text)
    const error = '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'
    expect(discover(error)).toBe(error)
  })
})
