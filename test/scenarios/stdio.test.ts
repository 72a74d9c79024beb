/**
 * Upstreams that are a command: the real filesystem server over stdio behind the real gateway, with the official clients
 * of both eras, and servers that do what they should not.
 */
import { existsSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { ALICE, BOB } from '../support/oidc-issuer.ts'
import { rawAgent, textOf } from '../support/raw-agent.ts'
import {
  API_TOKEN,
  commandUpstream,
  dualEraArgv,
  filesystemArgv,
  isAlive,
  ODD_SERVER,
} from '../support/stdio-upstreams.ts'
import { until } from '../support/until.ts'

const POLICY = `
version: 1
defaults: { effect: deny }
rules:
  - id: writing
    match: { tool: write_file }
    effect: require_approval
    approval: { deadline: 15m }
  - id: reading
    match: { tool: ["get_*", "read_*", "list_*"] }
    effect: allow
  - id: talking
    match: { method: [response, "logging/*", "notifications/*"] }
    effect: allow
`

let world: World
let gateway: Gateway
let reviewer: ConsoleReviewer

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway({
    policy: POLICY,
    environment: { API_TOKEN },
    upstreams: [
      commandUpstream('disk', filesystemArgv(world.files)),
      commandUpstream(
        'odd',
        [ODD_SERVER, 'a b', '$(touch /tmp/pwned); echo "x" | cat > y & *'],
        ', env: { MODE: "7" }',
      ),
      commandUpstream('crash', [ODD_SERVER, 'crash']),
      commandUpstream('missing', ['no-such-file.mjs']),
      '  nowhere: { command: [/no/such/program] }',
      commandUpstream('one', [ODD_SERVER], ', spawn: shared'),
      commandUpstream('dual', dualEraArgv('serve')),
      commandUpstream('modern', dualEraArgv('reject')),
    ].join('\n'),
  })
  reviewer = await gateway.console()
})
afterAll(() => world?.close())

const urlOf = (upstream: string) => new URL(`${gateway.url}/mcp/${upstream}`)
const tokenOf = (upstream: string, person = ALICE) => world.issuer.tokenFor(person, urlOf(upstream).href)
const agentOf = async (upstream: string, person = ALICE) => {
  const agent = rawAgent(urlOf(upstream), await tokenOf(upstream, person))
  await agent.initialize()
  return agent
}

async function autoClient(upstream: string): Promise<ModernClient> {
  const client = new ModernClient({ name: 'auto', version: '1' }, { versionNegotiation: { mode: 'auto' } })
  const requestInit = { headers: { authorization: `Bearer ${await tokenOf(upstream)}` } }
  await client.connect(new ModernTransport(urlOf(upstream), { requestInit }))
  return client
}

describe('[REQ-STDIO-1] the filesystem server as a command', () => {
  it('lists its tools to a client of 2025-11-25 and lets it read', async () => {
    await writeFile(path.join(world.files, 'notes.txt'), 'hello over stdio')
    const agent = await connectAgent('legacy', urlOf('disk'), await tokenOf('disk'))
    expect(await agent.tools()).toContain('write_file')
    const answer = await agent.call('read_text_file', { path: path.join(world.files, 'notes.txt') })
    expect(answer).toMatchObject({ isError: false, text: 'hello over stdio' })
    await agent.close()
  })

  it('makes a client of both eras fall back to `initialize`, and lets it read', async () => {
    await writeFile(path.join(world.files, 'more.txt'), 'hello again')
    const client = await autoClient('disk')
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('read_text_file')
    const answer = await client.callTool({
      name: 'read_text_file',
      arguments: { path: path.join(world.files, 'more.txt') },
    })
    expect(JSON.stringify(answer)).toContain('hello again')
    await client.close()
  })

  it('writes only after a person approved, exactly once', async () => {
    const agent = await connectAgent('legacy', urlOf('disk'), await tokenOf('disk'))
    const file = path.join(world.files, 'approved.txt')
    const call = agent.call('write_file', { path: file, content: 'by stdio' })
    const card = await until('a card is shown', async () => (await reviewer.state()).json.pending[0])
    expect(existsSync(file)).toBe(false)
    await reviewer.click(card.approvalId, 'approve')
    expect((await call).isError).toBe(false)
    expect(readFileSync(file, 'utf8')).toBe('by stdio')
    await agent.close()
  })
})

describe('[REQ-STDIO-2] two sessions', () => {
  it('with equal ids at once each get their own answer, from a process of their own', async () => {
    const [one, two] = await Promise.all([agentOf('odd'), agentOf('odd', BOB)])
    const pids = await Promise.all([one, two].map(async (agent) => textOf(await agent.call('get_pid', 7))))
    expect(new Set(pids).size).toBe(2)
    const answers = await Promise.all([1, 1, 1, 1].map((id, at) => (at % 2 ? one : two).call('get_pid', id)))
    expect(answers.map(textOf)).toEqual([pids[1], pids[0], pids[1], pids[0]])
    expect(answers.every(({ id }) => id === 1)).toBe(true)
  })

  it('on one shared process with equal ids at once each get their own answer', async () => {
    const [one, two] = await Promise.all([agentOf('one'), agentOf('one', BOB)])
    const answers = await Promise.all(
      [one, two, one, two].map((agent, at) => agent.call(at < 2 ? 'get_request_id' : 'get_pid', 'same')),
    )
    expect(answers.every(({ id }) => id === 'same')).toBe(true)
    expect(new Set(answers.slice(0, 2).map(textOf)).size).toBe(2)
    expect(new Set(answers.slice(2).map(textOf)).size).toBe(1)
  })
})

describe('a session over stdio', () => {
  it('keeps the id of the client, whatever it is, and numbers that a double can’t hold', async () => {
    const agent = await agentOf('odd')
    const call = (id: string) =>
      agent.post(
        `{"jsonrpc":"2.0",\n"id":${id},\r\n"method":"tools/call","params":{"name":"get_large","arguments":{}}}`,
      )
    const large = '{"content":[],"structuredContent":{"n":9007199254740993}}'
    expect((await call('"a-b"')).text).toBe(`{"jsonrpc":"2.0","id":"a-b","result":${large}}`)
    expect((await call('9007199254740991')).text).toBe(`{"jsonrpc":"2.0","id":9007199254740991,"result":${large}}`)
  })

  it('gets what the server says during its call, in order, on the call’s stream', async () => {
    const agent = await agentOf('odd')
    const params = { name: 'get_notes', arguments: {} }
    const { messages } = await agent.post({ jsonrpc: '2.0', id: 5, method: 'tools/call', params })
    expect(messages.map(({ params, id }) => params?.data ?? id)).toEqual(['one', 'two', 5])
  })

  it('gets one JSON answer where it takes no stream', async () => {
    const agent = await agentOf('odd')
    const params = { name: 'get_notes', arguments: {} }
    const body = { jsonrpc: '2.0', id: 5, method: 'tools/call', params }
    expect((await agent.post(body, { accept: 'application/json' })).messages).toHaveLength(1)
  })

  it('gets the server’s question, and its answer goes back to the server', async () => {
    const agent = await agentOf('odd')
    const listening = new AbortController()
    const stream = await agent.send('GET', { signal: listening.signal })
    expect(stream.status).toBe(200)
    // Two calls at once: the question belongs to neither for sure, so it comes on the session's own stream.
    const wait = agent.call('get_wait', 'w').catch(() => null)
    const asked = agent.call('get_asked', 'q')
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader()
    let said = ''
    while (!said.includes('elicitation/create')) said += Buffer.from((await reader.read()).value ?? []).toString()
    expect(said).toContain('"id":"question-1"')
    const answer = { jsonrpc: '2.0', id: 'question-1', result: { action: 'decline' } }
    expect((await agent.post(answer)).status).toBe(202)
    expect(textOf(await asked)).toBe('{"action":"decline"}')
    listening.abort()
    await agent.send('DELETE')
    await wait
  })

  it('has its call cancelled by its own id, and by leaving', async () => {
    const agent = await agentOf('odd')
    for (const how of ['by id', 'by leaving']) {
      const leaving = new AbortController()
      const params = { name: 'get_wait', arguments: {} }
      const call = agent.post({ jsonrpc: '2.0', id: 'long', method: 'tools/call', params }, { signal: leaving.signal })
      call.catch(() => undefined)
      await until(
        'the call waits',
        async () => (await gateway.events()).filter(({ type }) => type === 'call.intent').at(-1)?.tool === 'get_wait',
      )
      if (how === 'by leaving') leaving.abort()
      else await agent.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'long' } })
      const seen = await until('the server was told', async () => {
        const text = textOf(await agent.call('get_cancelled', 2))
        return text.includes('"wasWaiting":true') ? text : null
      })
      expect(seen, how).toMatch(/"requestId":\d+/)
      leaving.abort()
    }
  })

  it('is over after DELETE, with its process, and then unknown', async () => {
    const agent = await agentOf('odd')
    const pid = Number(textOf(await agent.call('get_pid', 1)))
    expect((await agent.send('DELETE')).status).toBe(200)
    await until('the process is gone', () => !isAlive(pid))
    const body = { jsonrpc: '2.0', id: 2, method: 'tools/list' }
    expect(await agent.post(body)).toMatchObject({ status: 404, messages: [{ id: 2, error: { code: -32001 } }] })
  })
})

describe('[REQ-STDIO-3] a server that ends', () => {
  it('during a call fails that call at once, and the next session has another process', async () => {
    const agent = await agentOf('odd')
    const pid = Number(textOf(await agent.call('get_pid', 1)))
    const call = agent.call('get_wait', 2)
    await until('the call waits', async () => (await gateway.events()).at(-1)?.tool === 'get_wait')
    process.kill(pid, 'SIGKILL')
    expect((await call).error).toMatchObject({ code: -32013, message: expect.stringContaining('was ended by SIGKILL') })
    expect((await agent.post({ jsonrpc: '2.0', id: 3, method: 'tools/list' })).status).toBe(404)
    const next = await agentOf('odd')
    expect(Number(textOf(await next.call('get_pid', 1)))).not.toBe(pid)
  })

  it('again and again is refused at once with the reason', async () => {
    const agent = rawAgent(urlOf('crash'), await tokenOf('crash'))
    const answers = [await agent.initialize(), await agent.initialize(), await agent.initialize()]
    const messages = answers.map(({ messages }) => messages[0]?.error?.message)
    expect(answers.map(({ status }) => status)).toEqual([502, 502, 502])
    expect(messages.at(-1)).toMatch(/ended with exit code 7\. It ended 2 times in a row; it is started again in 1 s\./)
  })

  it('before it began is told so', async () => {
    for (const [upstream, why] of [
      ['missing', 'ended with exit code 1'],
      ['nowhere', 'could not be started (ENOENT)'],
    ] as const) {
      const agent = rawAgent(urlOf(upstream), await tokenOf(upstream))
      expect((await agent.initialize()).messages[0]?.error?.message).toContain(why)
    }
  })
})

describe('[REQ-STDIO-4] the credential', () => {
  it('is in the process’s environment with what programs need, and nothing else of the gateway’s', async () => {
    const agent = await agentOf('odd')
    const answer = await agent.call('get_environment', 1)
    // Masked in the answer: the server has it, the agent does not get it.
    const environment = JSON.parse(textOf(answer)) as Record<string, string>
    expect(environment).toMatchObject({
      API_TOKEN: expect.stringContaining('[masked:'),
      MODE: '7',
      PATH: process.env.PATH,
    })
    const allowed = ['API_TOKEN', 'MODE', 'PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL']
    expect(Object.keys(environment).filter((name) => !allowed.includes(name))).toEqual([])
    const pid = Number(textOf(await agent.call('get_pid', 2)))
    expect(await readFile(`/proc/${pid}/environ`, 'utf8')).toContain(`API_TOKEN=${API_TOKEN}\0`)
  })

  it('is masked where the server prints it, and its flood of lines is bounded', async () => {
    const agent = await agentOf('odd')
    await agent.call('get_errors', 1)
    const output = await until('the log has its lines', () =>
      gateway.process.output().includes('line 50') ? gateway.process.output() : null,
    )
    expect(output).toContain('started with [masked:')
    expect(output).not.toContain('line 900')
    expect(output).not.toContain('yyyy')
  })
})

describe('[REQ-STDIO-5] a server of MCP 2026-07-28', () => {
  it.each(['dual', 'modern'])('serves modern clients without a session: %s', async (upstream) => {
    const client = await autoClient(upstream)
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28')
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['get_pid', 'get_steps'])
    const first = await client.callTool({ name: 'get_pid', arguments: {} })
    expect(await client.callTool({ name: 'get_pid', arguments: {} })).toMatchObject({ content: first.content })
    const steps: number[] = []
    const onprogress = ({ progress }: { progress: number }) => void steps.push(progress)
    await client.callTool({ name: 'get_steps', arguments: { steps: 3 } }, { onprogress })
    expect(steps).toEqual([1, 2, 3])
    await client.close()
  })

  it('serves legacy clients where it speaks both', async () => {
    const agent = await connectAgent('legacy', urlOf('dual'), await tokenOf('dual'))
    expect(await agent.tools()).toContain('get_pid')
    await agent.close()
  })

  it('answers a legacy client by naming the revision that it speaks, where it speaks no other', async () => {
    const agent = rawAgent(urlOf('modern'), await tokenOf('modern'))
    const { messages, session } = await agent.initialize()
    expect(session).toBeNull()
    expect(messages[0]?.error).toMatchObject({ code: -32022, data: { supported: ['2026-07-28'] } })
  })
})

it('[REQ-STDIO-6] the gateway’s stop leaves no process behind, not even one that ignores SIGTERM', async () => {
  const agent = await agentOf('odd')
  const pids = [await agent.call('get_pid', 1), await agent.call('get_child', 2)].map((answer) =>
    Number(textOf(answer)),
  )
  expect(pids.every(isAlive)).toBe(true)
  expect(await gateway.stop()).toBe(0)
  await until('both are gone', () => !pids.some(isAlive), 2_000)
  expect(JSON.stringify(await gateway.events())).not.toContain(API_TOKEN)
  expect(gateway.process.output()).not.toContain(API_TOKEN)
  expect(gateway.process.output()).not.toContain('MaxListenersExceededWarning')
})
