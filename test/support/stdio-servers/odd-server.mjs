/**
 * A server of 2025-11-25 by hand, which does what a real one should not: each tool is one oddity. Written without an SDK
 * so that what it writes is exactly what stands here.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const write = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
const text = (id, value) => write({ id, result: { content: [{ type: 'text', text: value }] } })
const note = (data) => write({ method: 'notifications/message', params: { level: 'info', data } })
/** Calls that wait, by their id here. */
const waiting = new Map()
let lastCancelled = null
let asking = null

const tools = {
  get_environment: (id) => text(id, JSON.stringify(process.env)),
  get_arguments: (id) => text(id, JSON.stringify({ argv: process.argv.slice(2), cwd: process.cwd() })),
  get_pid: (id) => text(id, String(process.pid)),
  get_request_id: (id) => text(id, JSON.stringify(id)),
  /** The number as it stood in the line; JSON.parse has rounded it. */
  get_large: (id) =>
    process.stdout.write(
      `{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":{"n":9007199254740993}}}\n`,
    ),
  get_wait: (id) => {
    waiting.set(id, true)
    note('waiting')
  },
  get_cancelled: (id) => text(id, JSON.stringify(lastCancelled)),
  get_notes: (id) => {
    note('one')
    note('two')
    text(id, 'noted')
  },
  get_garbage: (id) => {
    process.stdout.write('Server v1 ready!\n\n{"half": \n[1,2]\n"text"\n')
    text(id, 'after garbage')
  },
  get_duplicate: (id) => process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":[]},"result":{}}\n`),
  get_forged: (id) => {
    for (let other = 0; other < 50; other++) if (other !== id) text(other, 'not yours')
    text(id, 'yours')
  },
  get_long_line: (id) => text(id, 'x'.repeat(20 * 1024 * 1024)),
  get_death: () => process.exit(3),
  get_errors: (id) => {
    process.stderr.write(`started with ${process.env.API_TOKEN}\n`)
    for (let line = 0; line < 1000; line++) process.stderr.write(`line ${line}\n`)
    process.stderr.write(`${'y'.repeat(100_000)}\n`)
    text(id, 'written')
  },
  /** A child that ignores SIGTERM, as a launcher's may; it must not outlive the gateway. */
  get_child: (id) => {
    const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')"
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    child.stdout.once('data', () => text(id, String(child.pid)))
  },
  get_asked: (id) => {
    asking = id
    write({
      id: 'question-1',
      method: 'elicitation/create',
      params: { message: 'Sure?', requestedSchema: { type: 'object', properties: {} } },
    })
  },
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params, result } = JSON.parse(line)
  if (method === 'initialize') {
    const { protocolVersion } = params
    write({
      id,
      result: { protocolVersion, capabilities: { tools: {}, logging: {} }, serverInfo: { name: 'odd', version: '1' } },
    })
  } else if (method === 'tools/list') {
    const list = Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } }))
    write({ id, result: { tools: list } })
  } else if (method === 'tools/call') tools[params.name](id)
  else if (method === 'notifications/cancelled') {
    lastCancelled = { requestId: params.requestId, wasWaiting: waiting.delete(params.requestId) }
  } else if (method === undefined && id === 'question-1') text(asking, JSON.stringify(result))
  else if (id !== undefined) write({ id, error: { code: -32601, message: 'Method not found' } })
})
// Where its input ends, it goes: MCP's shutdown. With `stay` it has to be made to.
if (process.argv.includes('stay')) setInterval(() => undefined, 1000)
else process.stdin.on('end', () => process.exit(0))
if (process.argv.includes('crash')) process.exit(7)
