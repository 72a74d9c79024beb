/**
 * The Tasks extension (io.modelcontextprotocol/tasks), which the SDK does not serve: tasks in memory, the three methods
 * on them, and the tools that the suite looks for. Which calls become tasks is the server's choice, among the clients
 * that declare the extension.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type {
  CallToolResult,
  ClientCapabilities,
  InputRequests,
  InputRequiredResult,
  McpServer,
  ServerContext,
} from '@modelcontextprotocol/server'
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import { form } from './input-required.ts'
import { text } from './samples.ts'

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'
const TTL_MS = 60_000
const POLL_MS = 100
/** What a `second` of slow_compute takes: the suite asks for up to two, and only looks whether it still runs. */
const SECOND_MS = 300
/** MCP 2026-07-28 streamable-http: HeaderMismatch. The SDK checks Mcp-Name for its own methods only. */
const HEADER_MISMATCH = -32020

type End =
  | { readonly status: 'completed'; readonly result: CallToolResult }
  | { readonly status: 'failed'; readonly error: { readonly code: number; readonly message: string } }
  | { readonly status: 'cancelled' }

interface Task {
  readonly id: string
  readonly createdAt: string
  lastUpdatedAt: string
  readonly pending: Map<string, { readonly request: unknown; answered(): void }>
  readonly cancelled: AbortController
  end: End | null
}

type Work = (task: Task) => Promise<CallToolResult>

/** Each request meets a server of its own; the tasks outlive them. */
const tasks = new Map<string, Task>()

export function registerTasks(server: McpServer): void {
  registerTaskTools(server)
  const ofTask = z.looseObject({ taskId: z.string() })
  server.server.setRequestHandler('tasks/get', { params: ofTask }, ({ taskId }, context) => {
    const task = taskOf(taskId, context)
    return { ...envelope(task), ...task.end, ...(task.pending.size === 0 ? {} : { inputRequests: requestsOf(task) }) }
  })
  server.server.setRequestHandler('tasks/update', { params: ofTask }, ({ taskId }, context) => {
    const task = taskOf(taskId, context)
    for (const key of Object.keys(context.mcpReq.inputResponses ?? {})) task.pending.get(key)?.answered()
    return {}
  })
  server.server.setRequestHandler('tasks/cancel', { params: ofTask }, ({ taskId }, context) => {
    const task = taskOf(taskId, context)
    task.cancelled.abort()
    finish(task, { status: 'cancelled' })
    return {}
  })
}

function registerTaskTools(server: McpServer): void {
  const greeting = { description: 'Never a task', inputSchema: z.object({ name: z.string() }) }
  server.registerTool('greet', greeting, ({ name }) => ({ content: [text(`Hello, ${name}!`)] }))
  const computing = {
    description: 'A task where the client knows tasks',
    inputSchema: z.object({ seconds: z.number(), label: z.string().optional() }),
  }
  server.registerTool('slow_compute', computing, async ({ seconds }, context) => {
    const work = async ({ cancelled }: Pick<Task, 'cancelled'>) => {
      await pause(seconds * SECOND_MS, undefined, { signal: cancelled.signal })
      return { content: [text(`Computed for ${seconds} s.`)] }
    }
    return knowsTasks(context) ? begin(work) : work({ cancelled: new AbortController() })
  })
  for (const [name, work] of Object.entries(ALWAYS_TASKS)) {
    const tool = { description: 'Always a task', inputSchema: z.looseObject({}) }
    server.registerTool(name, tool, () => begin(work))
  }
  const asking = { description: 'Asks first, and is a task then', inputSchema: z.object({}) }
  server.registerTool('test_tool_with_task', asking, (_input, context) => askThenBegin(context))
}

const ALWAYS_TASKS: Readonly<Record<string, Work>> = {
  failing_job: async () => ({ content: [text('The job failed.')], isError: true }),
  protocol_error_job: async () => {
    throw new ProtocolError(ProtocolErrorCode.InternalError, 'The job broke the protocol.')
  },
  confirm_delete: async (task) => {
    await ask(task, 'confirm', form('confirm', 'boolean'))
    return { content: [text('Deleted, as confirmed.')] }
  },
  multi_input: async (task) => {
    await Promise.all([ask(task, 'first', form('name', 'string')), ask(task, 'second', form('name', 'string'))])
    return { content: [text('Both answers came.')] }
  },
}

function askThenBegin({ mcpReq }: ServerContext): CallToolResult | InputRequiredResult {
  const name = acceptedContent<{ name: string }>(mcpReq.inputResponses, 'user_name')?.name
  if (name === undefined) return inputRequired({ inputRequests: { user_name: form('name', 'string') } })
  return begin(async () => ({ content: [text(`Done for ${name}.`)] }))
}

// ---- a task's life

/** Answered before the work is done, however little that is. */
function begin(work: Work): CallToolResult {
  const at = new Date().toISOString()
  const task: Task = {
    id: randomUUID(),
    createdAt: at,
    lastUpdatedAt: at,
    pending: new Map(),
    cancelled: new AbortController(),
    end: null,
  }
  tasks.set(task.id, task)
  const created = { resultType: 'task', ...envelope(task) }
  work(task).then(
    (result) => finish(task, { status: 'completed', result }),
    (error: unknown) => finish(task, { status: 'failed', error: { code: codeOf(error), message: String(error) } }),
  )
  // The SDK's type knows no tasks; it passes other result types on.
  return created as unknown as CallToolResult
}

/** The first end counts. */
function finish(task: Task, end: End): void {
  if (task.end !== null) return
  task.end = end
  task.pending.clear()
  task.lastUpdatedAt = new Date().toISOString()
}

function ask(task: Task, key: string, request: InputRequests[string]): Promise<void> {
  return new Promise((resolve) => {
    const answered = () => {
      task.pending.delete(key)
      task.lastUpdatedAt = new Date().toISOString()
      resolve()
    }
    task.pending.set(key, { request, answered })
  })
}

function envelope({ id, createdAt, lastUpdatedAt, pending, end }: Task) {
  const status = end?.status ?? (pending.size > 0 ? 'input_required' : 'working')
  return { taskId: id, status, createdAt, lastUpdatedAt, ttlMs: TTL_MS, pollIntervalMs: POLL_MS }
}

function requestsOf({ pending }: Task): Record<string, unknown> {
  return Object.fromEntries([...pending].map(([key, { request }]) => [key, request]))
}

// ---- who may ask

function taskOf(taskId: string, context: ServerContext): Task {
  requireTasks(context)
  const named = context.http?.req?.headers.get('mcp-name')
  if (named !== taskId) throw new ProtocolError(HEADER_MISMATCH, 'Mcp-Name does not equal params.taskId.')
  const task = tasks.get(taskId)
  if (task === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'There is no such task.')
  return task
}

function requireTasks(context: ServerContext): void {
  if (!knowsTasks(context)) throw missingExtension()
}

function missingExtension() {
  return new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } })
}

function knowsTasks({ mcpReq }: ServerContext): boolean {
  return declaresTasks(mcpReq.envelope)
}

function declaresTasks(meta: unknown): boolean {
  const capabilities = (meta as Readonly<Record<string, ClientCapabilities>> | undefined)?.[
    CLIENT_CAPABILITIES_META_KEY
  ]
  return capabilities?.extensions?.[TASKS_EXTENSION] !== undefined
}

/**
 * The refusal of a call that can only be a task, from a client that knows none. Looked for before the SDK sees the call,
 * because a tool's fault becomes a result there and never a JSON-RPC error.
 */
export function taskRefusal(body: unknown): { readonly code: number; readonly message: string; data: unknown } | null {
  const { method, params } = body as { method?: unknown; params?: { name?: unknown; _meta?: unknown } }
  const isTask = method === 'tools/call' && Object.hasOwn(ALWAYS_TASKS, String(params?.name))
  if (!isTask || declaresTasks(params?._meta)) return null
  const { code, message, data } = missingExtension()
  return { code, message, data }
}

function codeOf(error: unknown): number {
  return error instanceof ProtocolError ? error.code : ProtocolErrorCode.InternalError
}
