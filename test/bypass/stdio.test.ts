/** Ways round the gateway, or to another's data, by a server that is a command or by an agent of one. */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStdioUpstream } from '../../proxy/stdio/stdio-upstream.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import { createMasker } from '../../src/masking/masker.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { ALICE, BOB } from '../support/oidc-issuer.ts'
import { rawAgent, textOf } from '../support/raw-agent.ts'
import { API_TOKEN, commandUpstream, isAlive, ODD_SERVER } from '../support/stdio-upstreams.ts'
import { until } from '../support/until.ts'

const POLICY = `
version: 1
rules:
  - { id: reading, match: { tool: "get_*" }, effect: allow }
  - { id: talking, match: { method: [response, "notifications/*"] }, effect: allow }
`
const traps = mkdtempSync(path.join(tmpdir(), 'countersign-traps-'))
const trap = path.join(traps, 'sprung')
const METACHARACTERS = [
  'a b',
  `$(touch ${trap})`,
  `; touch ${trap} #`,
  `\`touch ${trap}\``,
  `| tee ${trap}`,
  '*',
  '~',
  '"',
  '',
]

let world: World
let gateway: Gateway

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway({
    policy: POLICY,
    environment: { API_TOKEN },
    upstreams: [
      commandUpstream('odd', [ODD_SERVER, ...METACHARACTERS]),
      commandUpstream('few', [ODD_SERVER], ', maxProcesses: 4'),
    ].join('\n'),
  })
})
afterAll(() => world?.close())

const agentOf = async (upstream: string, person = ALICE) => {
  const url = new URL(`${gateway.url}/mcp/${upstream}`)
  const agent = rawAgent(url, await world.issuer.tokenFor(person, url.href))
  await agent.initialize()
  return agent
}

describe('the command', () => {
  it('[REQ-STDIO-4] is no shell’s: what a shell would act on stays one argument', async () => {
    const agent = await agentOf('odd')
    const seen = JSON.parse(textOf(await agent.call('get_arguments', 1))) as { argv: string[]; cwd: string }
    expect(seen.argv).toEqual(METACHARACTERS)
    expect(seen.cwd).toBe(gateway.directory)
    expect(existsSync(trap)).toBe(false)
  })
})

describe('an agent', () => {
  it('[REQ-STDIO-2] can’t use, read or end another’s session by its id', async () => {
    const alice = await agentOf('odd')
    const pid = Number(textOf(await alice.call('get_pid', 1)))
    const bob = await agentOf('odd', BOB)
    const session = alice.session ?? ''
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_pid', arguments: {} } }
    expect((await bob.post(body, { session })).status).toBe(404)
    expect((await bob.send('GET', { session })).status).toBe(404)
    expect((await bob.send('DELETE', { session })).status).toBe(404)
    expect(isAlive(pid)).toBe(true)
    expect(Number(textOf(await bob.call('get_pid', 1)))).not.toBe(pid)
  })

  it('[REQ-STDIO-2] can’t, even where it knows the id that the bridge itself gave', async () => {
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const bridge = createStdioUpstream({
      upstream: 'odd',
      command: [process.execPath, ODD_SERVER],
      cwd: traps,
      env: new Map(),
      ambient: {},
      spawn: 'per_session',
      idleMs: 60_000,
      maxProcesses: 8,
      masker: createMasker(),
      clock: { now: () => epochMs(Date.now()) },
      random: Math.random,
      log,
      client: { name: 'countersign', version: '0' },
    })
    const ask = async (subject: string, method: 'POST' | 'DELETE', body: object | null, session?: string) => {
      const incoming = session === undefined ? {} : { 'mcp-session-id': session }
      const bytes = body === null ? new Uint8Array(0) : Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }))
      const gone = new AbortController().signal
      const exchange = bridge.exchange({ principal: principalId('i', subject), method, incoming, body: bytes, gone })
      return exchange.send({ kind: 'none', headers: new Map(), secrets: [], release: () => undefined })
    }
    try {
      const begun = await ask('alice', 'POST', { method: 'initialize', params: { protocolVersion: '2025-11-25' } })
      const session = begun.headers['mcp-session-id']
      expect(session).toMatch(/^[0-9a-f-]{36}$/)
      const list = { method: 'tools/list' }
      expect((await ask('bob', 'POST', list, session)).status).toBe(404)
      expect((await ask('bob', 'DELETE', null, session)).status).toBe(404)
      expect((await ask('alice', 'POST', list, session)).status).toBe(200)
    } finally {
      await bridge.close()
    }
  })

  it('[REQ-STDIO-2] can’t keep others from having a process by beginning many sessions', async () => {
    const first = await agentOf('few')
    const pid = Number(textOf(await first.call('get_pid', 1)))
    for (let n = 0; n < 3; n++) await agentOf('few')
    await until('its own first process made room', () => !isAlive(pid))
    expect(textOf(await (await agentOf('few', BOB)).call('get_pid', 1))).toMatch(/^\d+$/)
  })

  it('can’t put a second line into the server’s input', async () => {
    const agent = await agentOf('odd')
    const second = '{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"get_death","arguments":{}}}'
    const answer = await agent.post(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_pid","arguments":{}}}\n${second}`,
    )
    expect(answer.status).toBe(400)
    const name = `get_pid\n${second}`
    const params = { name: 'get_request_id', arguments: { name } }
    expect((await agent.post({ jsonrpc: '2.0', id: 2, method: 'tools/call', params })).messages[0]?.id).toBe(2)
    expect(textOf(await agent.call('get_pid', 3))).toMatch(/^\d+$/)
  })
})

describe('a server', () => {
  it('that prints what is no message is heard all the same', async () => {
    const agent = await agentOf('odd')
    expect(textOf(await agent.call('get_garbage', 1))).toBe('after garbage')
  })

  it('[REQ-STDIO-2] that answers what it was not asked answers nobody', async () => {
    const agent = await agentOf('odd')
    await agent.call('get_pid', 1)
    expect(textOf(await agent.call('get_forged', 'mine'))).toBe('yours')
  })

  it('whose answer has a key twice has it withheld', async () => {
    const agent = await agentOf('odd')
    const { error } = await agent.call('get_duplicate', 1)
    expect(error?.message).toMatch(/withheld: duplicate key at byte \d+/)
  })

  it('[REQ-STDIO-3] that sends a line of 20 MB is ended, and its call told so', async () => {
    const agent = await agentOf('odd')
    const pid = Number(textOf(await agent.call('get_pid', 1)))
    const { error } = await agent.call('get_long_line', 2)
    expect(error).toMatchObject({
      code: -32013,
      message: expect.stringContaining('sent a line of more than 16777216 bytes'),
    })
    await until('it is gone', () => !isAlive(pid))
    expect(textOf(await (await agentOf('odd')).call('get_pid', 1))).toMatch(/^\d+$/)
  })
})
