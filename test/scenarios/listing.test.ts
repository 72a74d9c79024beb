/** What agents are shown of an upstream: the real gateway, a real server, real clients of both eras. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import { fingerprintOf } from '../../src/approval/fingerprint.ts'
import type { PolicyVersion } from '../../src/brands.ts'
import { principalId } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld, UPSTREAM_KEY } from '../support/gateway.ts'
import type { Era } from '../support/mcp-clients.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { ALICE, BOB } from '../support/oidc-issuer.ts'
import { until } from '../support/until.ts'

const POLICY = `
version: 1
rules:
  - { id: no-moving, effect: deny, match: { tool: move_file }, reason: Nothing is moved here. }
  - { id: editors, effect: deny, match: { tool: edit_file }, when: '!("dba" in principal.groups)' }
  - { id: hidden-dirs, effect: deny, match: { tool: "list_*" }, when: 'mcp.tool.arguments.path.contains("hidden")' }
  - { id: writing, effect: require_approval, match: { tool: [write_file, edit_file] } }
  - { id: big, effect: require_approval, match: { tool: directory_tree }, when: has(mcp.tool.arguments.excludePatterns) }
  - { id: rest, effect: allow }
  - { id: lists, effect: allow, match: { method: "*/list" } }
  - { id: docs, effect: allow, match: { method: resources/read }, when: 'mcp.params.uri.startsWith("docs://")' }
`
const META = 'dev.countersign/policy'

let world: World
let gateway: Gateway
let reviewer: ConsoleReviewer

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway({ policy: POLICY })
  reviewer = await gateway.console()
})
afterAll(() => world?.close())
afterEach(() => {
  world.tap.intercept = null
})

const tokenOf = (person = ALICE) => world.issuer.tokenFor(person, gateway.mcp.href)

/** One message of MCP 2026-07-28, by hand: the SDKs would hide the bytes. */
async function post(url: string | URL, headers: Record<string, string>, method: string, params: JsonObject = {}) {
  const client = { name: 'by-hand', version: '1.0.0' }
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': client,
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const name = params.name ?? params.uri
  const named = typeof name === 'string' ? { 'mcp-name': headerValue(name) } : {}
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...named,
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
  })
  const body = await response.text()
  const data = /^data: (.*)$/m.exec(body)
  return data?.[1] ?? body
}

/** MCP 2026-07-28 basic/transports/streamable-http: what no header can hold is written in base64. */
function headerValue(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}

const asked = async (method: string, params?: JsonObject, person = ALICE) =>
  post(gateway.mcp, { authorization: `Bearer ${await tokenOf(person)}` }, method, params)
const direct = (method: string) => post(world.tap.url, { 'x-api-key': UPSTREAM_KEY }, method)
const resultOf = (text: string) => (JSON.parse(text) as { result: JsonObject }).result
const toolsOf = (text: string) => resultOf(text).tools as JsonObject[]

describe.each<Era>(['modern', 'legacy'])('an agent with the official SDK, %s era', (era) => {
  it('[REQ-LIST-1] [REQ-LIST-2] lists what it may ever call, and is told what waits for a person', async () => {
    const agent = await connectAgent(era, gateway.mcp, await tokenOf())
    const listed = new Map((await agent.listed()).map((tool) => [tool.name, tool]))
    await agent.close()
    expect([...listed.keys()]).not.toContain('move_file')
    expect([...listed.keys()]).toEqual(expect.arrayContaining(['read_text_file', 'list_directory', 'edit_file']))
    const writing = listed.get('write_file')
    expect(writing?.description).toMatch(/\S Calls wait for a person's approval\.$/)
    expect(writing?._meta?.[META]).toEqual({ effect: 'require_approval', when: 'always', reason: 'countersign/reason' })
    const tree = listed.get('directory_tree')
    expect(tree?.description).toMatch(/\S Some calls wait for a person's approval\.$/)
    expect(tree?._meta?.[META]).toEqual({ effect: 'require_approval', when: 'sometimes', reason: 'countersign/reason' })
    expect(listed.get('read_text_file')?._meta?.[META]).toBeUndefined()
  })

  it('[REQ-LIST-1] lists to another principal what that one may call', async () => {
    const agent = await connectAgent(era, gateway.mcp, await tokenOf(BOB))
    const names = await agent.tools()
    expect(names).not.toContain('edit_file')
    expect(names).toContain('write_file')
    const answer = await agent.call('edit_file', { path: path.join(world.files, 'x'), edits: [] })
    await agent.close()
    expect(answer.text).toContain('rule "editors"')
  })

  it('can’t call what it is not shown', async () => {
    const agent = await connectAgent(era, gateway.mcp, await tokenOf())
    const answer = await agent.call('move_file', { source: '/a', destination: '/b' })
    await agent.close()
    expect(answer).toMatchObject({ isError: true })
    expect(answer.text).toContain('rule "no-moving"')
    expect(world.tap.callsOf('move_file')).toHaveLength(0)
  })
})

describe('the bytes of a list', () => {
  it('[REQ-LIST-4] of an allowed tool are those of the server', async () => {
    const [before, after] = [await direct('tools/list'), await asked('tools/list')]
    const allowed = toolsOf(before).filter(({ name }) => String(name).startsWith('read_'))
    expect(allowed.length).toBeGreaterThan(2)
    for (const tool of allowed) {
      expect(before).toContain(JSON.stringify(tool))
      expect(after).toContain(JSON.stringify(tool))
    }
  })

  it('[REQ-LIST-3] say that it is private, and the recording has the digest of what the agent got', async () => {
    const after = await asked('tools/list')
    expect(resultOf(after).cacheScope).toBe('private')
    const digest = createHash('sha256').update(after).digest('hex')
    const outcomes = (await gateway.events()).filter((event) => event.method === 'tools/list')
    expect(outcomes.map((event) => event.answer_digest)).toContain(digest)
  })
})

describe('what the gateway itself knows of tools', () => {
  it('is the server’s own definition: an approval’s fingerprint is made of it, not of what agents are shown', async () => {
    const directory = mkdtempSync(path.join(world.files, 'held-'))
    const args = { path: path.join(directory, 'a.txt'), content: 'a' }
    const agent = await connectAgent('modern', gateway.mcp, await tokenOf())
    const call = agent.call('write_file', args)
    const card = await until('a card is shown', async () => (await reviewer.state()).json.pending[0])
    const events = await gateway.events()
    const requested = events.find(({ type }) => type === 'approval.requested')
    const decided = events.find(({ type, effect }) => type === 'call.decided' && effect === 'require_approval')
    const definition = toolsOf(await direct('tools/list')).find(({ name }) => name === 'write_file') ?? null
    const fingerprint = fingerprintOf({
      principal: principalId(world.issuer.issuer, ALICE.login),
      upstream: 'files',
      tool: 'write_file',
      arguments: args,
      inputResponses: null,
      toolDefinition: definition,
      policy: decided?.policy as PolicyVersion,
    })
    expect(requested?.fingerprint).toBe(fingerprint)
    await reviewer.click(card.approvalId, 'approve')
    expect((await call).isError).toBe(false)
    await agent.close()
    rmSync(directory, { recursive: true })
  })
})

/** Lists that no well-behaved server would send. */
describe('a list can’t be used to get round policy', () => {
  function listing(result: string, contentType = 'application/json', method = 'tools/list') {
    world.tap.intercept = (seen, response) => {
      const { id, method: called } = JSON.parse(seen.body) as { id?: number; method?: string }
      if (called !== method) return false
      response.setHeader('content-type', contentType)
      response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
      return true
    }
  }
  const more = '"resultType":"complete","ttlMs":0,"cacheScope":"public"'

  it('with a key twice: it is withheld', async () => {
    listing(`{"tools":[{"name":"move_file","name":"read_file"}],${more}}`)
    expect(JSON.parse(await asked('tools/list'))).toMatchObject({ error: { data: { code: 'upstream_bad_answer' } } })
  })

  it('as something else than JSON: it is withheld', async () => {
    listing(`{"tools":[{"name":"move_file"}],${more}}`, 'text/x; application/json')
    expect(JSON.parse(await asked('tools/list'))).toMatchObject({ error: { data: { code: 'upstream_bad_answer' } } })
  })

  it('with a name that has a character without width: it is neither shown nor callable', async () => {
    const name = 'read\u200b_file'
    listing(`{"tools":[{"name":"${name}"},{"name":"read_file"}],${more}}`)
    expect(toolsOf(await asked('tools/list')).map((tool) => tool.name)).toEqual(['read_file'])
    const called = await asked('tools/call', { name })
    expect(called).toContain('builtin:invalid-name')
    expect(world.tap.callsOf(name)).toHaveLength(0)
  })

  it('with one name twice, once as harmless: policy judges the call', async () => {
    listing(`{"tools":[{"name":"move_file","annotations":{"readOnlyHint":true}},{"name":"move_file"}],${more}}`)
    expect(toolsOf(await asked('tools/list'))).toEqual([])
    listing(`{"tools":[{"name":"write_file","_meta":{"${META}":{"effect":"allow"}}},{"name":"write_file"}],${more}}`)
    const twice = toolsOf(await asked('tools/list'))
    const held = { effect: 'require_approval', when: 'always', reason: 'countersign/reason' }
    expect(twice.map(({ _meta }) => (_meta as JsonObject)[META])).toEqual([held, held])
    expect(JSON.parse(await asked('tools/call', { name: 'move_file' }))).toMatchObject({ result: { isError: true } })
    expect(world.tap.callsOf('move_file')).toHaveLength(0)
  })

  it('of resources: what no rule allows is neither shown nor read', async () => {
    const resources = '[{"uri":"docs://a","name":"a"},{"uri":"file:///etc/passwd","name":"b"}]'
    listing(`{"resources":${resources},${more}}`, 'application/json', 'resources/list')
    const shown = resultOf(await asked('resources/list')).resources
    expect(shown).toEqual([{ uri: 'docs://a', name: 'a' }])
    expect(await asked('resources/read', { uri: 'file:///etc/passwd' })).toContain('rule \\"default\\"')
  })

  it('by an argument that is denied: the tool is shown, the call is not let through', async () => {
    writeFileSync(path.join(world.files, 'seen.txt'), '')
    expect(toolsOf(await asked('tools/list')).map(({ name }) => name)).toContain('list_directory')
    const denied = await asked('tools/call', { name: 'list_directory', arguments: { path: '/hidden' } })
    expect(denied).toContain('rule \\"hidden-dirs\\"')
    expect(await asked('tools/call', { name: 'list_directory', arguments: { path: world.files } })).toContain(
      'seen.txt',
    )
  })
})
