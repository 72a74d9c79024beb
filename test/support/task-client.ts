/**
 * A client of MCP 2026-07-28 that speaks the tasks extension, request by request: what an SDK's client would do by itself
 * is what the tests want to see.
 */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'

export interface TaskAnswer {
  readonly httpStatus: number
  readonly result?: TaskResult
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Record<string, unknown> }
}

export interface TaskResult {
  readonly resultType: string
  readonly taskId: string
  readonly status: 'working' | 'input_required' | 'completed' | 'cancelled' | 'failed'
  readonly statusMessage?: string
  readonly createdAt: string
  readonly lastUpdatedAt: string
  readonly ttlMs: number
  readonly pollIntervalMs: number
  readonly inputRequests?: Record<string, unknown>
  readonly result?: { readonly content: readonly { readonly text: string }[]; readonly isError?: boolean }
  readonly error?: { readonly code: number; readonly message: string }
  readonly content?: readonly { readonly text: string }[]
  readonly [member: string]: unknown
}

export interface TaskClient {
  request(method: string, params: Record<string, unknown>, options?: RequestOptions): Promise<TaskAnswer>
  call(tool: string, args: object, options?: RequestOptions): Promise<TaskAnswer>
  get(taskId: string, options?: RequestOptions): Promise<TaskAnswer>
  update(taskId: string, inputResponses: object, options?: RequestOptions): Promise<TaskAnswer>
  cancel(taskId: string, options?: RequestOptions): Promise<TaskAnswer>
  /** The text as it came, for numbers that a double would round. */
  readonly lastText: string
}

export interface RequestOptions {
  /** Another replica's endpoint. */
  readonly url?: URL
  readonly token?: string
  readonly declares?: boolean
  readonly headers?: Record<string, string>
}

let ids = 0

export function taskClient(endpoint: URL, bearer: string): TaskClient {
  let lastText = ''
  const request: TaskClient['request'] = async (method, params, options = {}) => {
    const { url = endpoint, token = bearer, declares = true, headers = {} } = options
    const name = params.name ?? params.taskId
    ids += 1
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: ids, method, params: { ...params, _meta: metaOf(declares) } }),
    })
    lastText = await answer.text()
    return { httpStatus: answer.status, ...(JSON.parse(messageIn(lastText)) as object) }
  }
  return {
    request,
    call: (tool, args, options) => request('tools/call', { name: tool, arguments: args }, options),
    get: (taskId, options) => request('tasks/get', { taskId }, options),
    update: (taskId, inputResponses, options) => request('tasks/update', { taskId, inputResponses }, options),
    cancel: (taskId, options) => request('tasks/cancel', { taskId }, options),
    get lastText() {
      return lastText
    },
  }
}

function metaOf(declares: boolean) {
  return {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'task-client', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {
      elicitation: {},
      extensions: declares ? { [TASKS_EXTENSION]: {} } : {},
    },
  }
}

/** The last message of an event stream, or the body. */
function messageIn(text: string): string {
  if (text.startsWith('{')) return text
  const data = text.split('\n').filter((line) => line.startsWith('data: '))
  return data.at(-1)?.slice('data: '.length) ?? '{}'
}
