/** What the fake's servers share: reading a body, answering, and the faults that a test asks for. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonObject } from '../../src/json/value.ts'
import type { FakeFailure, Operation, World } from './fake-teams-world.ts'

export interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** No request of a bot is longer; the message limit is far below. */
const BODY_BYTES_MAX = 4 * 1024 * 1024

export async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > BODY_BYTES_MAX) throw new Error('the body is too long')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

export function jsonIn(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null
  } catch {
    return null
  }
}

/** learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability, "Status codes from bot conversational APIs" */
export function refuse(status: number, code: string, message: string, headers: Answer['headers'] = {}): Answer {
  return { status, body: { error: { code, message } }, headers }
}

export function write(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  response.writeHead(status, {
    ...(body !== undefined && { 'content-type': 'application/json; charset=utf-8' }),
    ...headers,
  })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}

/** Answers with what `work` does, or with the fault that is next for this operation; both are told of in `calls`. */
export async function answered(
  world: World,
  { operation, request, body, response }: Asked,
  work: () => Answer | Promise<Answer>,
): Promise<void> {
  const failure = world.failures.get(operation)?.shift()
  if (failure?.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, failure.delayMs))
  const answer = failure?.status === undefined ? await work() : failed(failure, failure.status)
  const path = decodeURIComponent(request.url ?? '/')
  world.calls.push({ operation, method: request.method ?? 'GET', path, body, status: answer.status })
  if (failure?.isAnswerLost) request.socket.destroy()
  else if (!failure?.isAnswerHeld) write(response, answer)
  world.changed.emit('change')
}

export interface Asked {
  readonly operation: Operation
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: unknown
}

const CODES: Readonly<Record<number, readonly [string, string]>> = {
  401: ['Unauthorized', 'Authorization has been denied for this request.'],
  403: ['BotDisabledByAdmin', 'The tenant admin disabled this bot'],
  404: ['ConversationNotFound', 'Conversation not found.'],
  412: ['PreconditionFailed', 'Precondition failed, please try again.'],
  413: ['MessageSizeTooBig', 'Message size too large.'],
  429: ['Throttled', 'Too many requests.'],
}

function failed({ code, retryAfterSec }: FakeFailure, status: number): Answer {
  const headers = retryAfterSec === undefined ? {} : { 'retry-after': String(retryAfterSec) }
  // Of 502, 503 and 504 a gateway before the service answers, without a body of the service's.
  if (status > 500) return { status, headers }
  const [usual, message] = CODES[status] ?? ['ServiceError', 'An error occurred.']
  return refuse(status, code ?? usual, message, headers)
}
