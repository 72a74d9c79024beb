/**
 * JSON-RPC with one server process: who asked what, and whose is what comes back.
 *
 * Every request that goes in gets the next number as its id, whatever its client called it, so answers can't be claimed
 * by another. A line that is no message is skipped and counted (servers print banners); one that only a lax reader
 * would take is withheld from its client, as over HTTP. A process that ends fails what is under way, and nothing is
 * sent again: nobody knows whether it ran.
 */
import { GatewayError } from '../../src/errors.ts'
import { parseStrict } from '../../src/json/strict.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'
import type { Era, RpcId } from '../../src/mcp/message.ts'
import type { Mailbox } from './mailbox.ts'
import { createMailbox } from './mailbox.ts'
import type { JsonText } from './rewrite.ts'
import {
  answerText,
  asId,
  asLine,
  cancelledLine,
  cancelledText,
  progressText,
  progressTokenOf,
  requestLine,
  subscriptionIdOf,
  subscriptionText,
} from './rewrite.ts'
import type { ServerProcess } from './server-process.ts'

/** As gate/answer.ts reads answers. */
const ANSWER_LIMITS = { numbers: 'any', maxDepth: 128, maxKeys: 100_000 } as const
/** The gateway's own requests; no session has this name. */
const OWN = ''
const CANCEL_REASON = 'The client has gone.'

/** What a server sends by itself: a notification, or a request to its client. */
export interface Unasked {
  readonly text: string
  readonly method: string
  /** Null for a notification. */
  readonly id: RpcId | null
}

export interface Client {
  /** Whose ids they are: within it a client's id is its own, and it alone can cancel by it. */
  readonly scope: string
  /** False where it takes one JSON answer and nothing before it. */
  readonly takesMessages: boolean
}

/** A client's request that the server has not answered. */
export interface Underway {
  readonly mailbox: Mailbox
  readonly takesMessages: boolean
}

interface Asked extends Underway {
  readonly scope: string
  readonly clientId: RpcId
  readonly token: RpcId | null
}

export interface Peer {
  /** Throws GatewayError `upstream_unreachable`. */
  request(message: JsonText, client: Client): { readonly id: number; readonly mailbox: Mailbox }
  /** A request of the gateway's own; null where the server does not answer in time. Rejects where it has ended. */
  ask(method: string, params: JsonObject, timeoutMs: number): Promise<JsonObject | null>
  /** A notification or an answer, as it is. Throws GatewayError `upstream_unreachable`. */
  send(text: string): void
  /** The same where nobody waits for it: a process that has ended needs no notice. */
  tell(text: string): void
  /** The client of this request has gone: the server is told, and its answer will be dropped. */
  abandon(id: number): void
  /** A client's `notifications/cancelled`, under our id; does nothing for what is not under way. */
  cancel(message: JsonText, scope: string): void
  readonly underway: ReadonlySet<Underway>
}

export function createPeer(
  process: ServerProcess,
  options: {
    readonly era: Era
    /** What belongs to no request. */
    readonly onUnasked: (message: Unasked) => void
    /** A line that is no message: how many so far. */
    readonly onNoise: (count: number) => void
  },
): Peer & { readonly onLine: (line: Buffer) => void } {
  const asked = new Map<number, Asked>()
  const underway = new Set<Underway>()
  let nextId = 1
  let noise = 0

  const settle = (id: number): Asked | undefined => {
    const request = asked.get(id)
    if (request !== undefined) underway.delete(request)
    asked.delete(id)
    return request
  }
  const find = (id: RpcId | null): [number, Asked] | null => {
    const request = typeof id === 'number' ? asked.get(id) : undefined
    return request === undefined ? null : [id as number, request]
  }
  void process.ended.then((why) => {
    for (const id of [...asked.keys()]) {
      settle(id)?.mailbox.fail(new GatewayError('upstream_unreachable', `The MCP server’s process ${why}.`))
    }
  })

  function begin(request: Omit<Asked, 'mailbox'>, line: (id: number) => string) {
    const id = nextId++
    const mailbox = createMailbox()
    process.write(line(id))
    const entry: Asked = { ...request, mailbox }
    asked.set(id, entry)
    underway.add(entry)
    return { id, mailbox }
  }

  function answered(message: JsonText): void {
    const id = message.value.id
    const request = typeof id === 'number' ? settle(id) : undefined
    // Of a request that was abandoned, or of none.
    if (request === undefined) return
    request.mailbox.last(answerText(message, request.clientId))
  }

  /** What the server says about a request under way, under its client's own handles; false where it is about none. */
  function related(message: JsonText, method: string): boolean {
    const { params } = message.value
    if (method === 'notifications/progress') {
      const found = find(isObject(params) ? asId(params.progressToken) : null)
      if (found !== null && found[1].token !== null && found[1].takesMessages) {
        found[1].mailbox.put(progressText(message, found[1].token))
      }
      // Of a request that is over: nobody may see it any more.
      return true
    }
    const subscription = find(subscriptionIdOf(message.value))
    if (subscription !== null) {
      subscription[1].mailbox.put(subscriptionText(message, subscription[1].clientId))
      return true
    }
    if (method !== 'notifications/cancelled' || options.era === 'legacy') return false
    const cancelled = find(isObject(params) ? asId(params.requestId) : null)
    cancelled?.[1].mailbox.put(cancelledText(message, cancelled[1].clientId))
    return true
  }

  function onLine(line: Buffer): void {
    const read = readMessage(line)
    if (read === 'noise') {
      noise += 1
      options.onNoise(noise)
      return
    }
    if ('withheld' in read) {
      settle(read.id)?.mailbox.fail(new GatewayError('upstream_bad_answer', read.withheld))
      return
    }
    const { method, id } = read.value
    if (method === undefined) answered(read)
    else if (typeof method === 'string') {
      const isNotification = id === undefined
      if (isNotification && related(read, method)) return
      options.onUnasked({ text: read.text, method, id: asId(id) })
    }
  }

  return {
    underway,
    onLine,
    request(message, { scope, takesMessages }) {
      const token = progressTokenOf(message.value)
      const clientId = asId(message.value.id) ?? 0
      return begin({ clientId, scope, token, takesMessages }, (id) => requestLine(message, id))
    },
    async ask(method, params, timeoutMs) {
      const { id, mailbox } = begin({ clientId: 0, scope: OWN, token: null, takesMessages: false }, (own) =>
        JSON.stringify({ jsonrpc: '2.0', id: own, method, params }),
      )
      const timer = setTimeout(() => {
        settle(id)
        mailbox.last('null')
      }, timeoutMs)
      try {
        const { text } = await mailbox.take()
        return JSON.parse(text) as JsonObject | null
      } finally {
        clearTimeout(timer)
      }
    },
    send(text) {
      process.write(asLine(text))
    },
    tell: (text) => tell(process, asLine(text)),
    abandon(id) {
      if (settle(id) === undefined) return
      const params = { requestId: id, reason: CANCEL_REASON }
      tell(process, JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params }))
    },
    cancel(message, scope) {
      const { params } = message.value
      const clientId = isObject(params) ? asId(params.requestId) : null
      for (const [id, request] of asked) {
        if (request.scope === scope && request.clientId === clientId) return tell(process, cancelledLine(message, id))
      }
    },
  }
}

/** Nobody waits for it: a process that has ended needs no notice. */
function tell(process: ServerProcess, line: string): void {
  try {
    process.write(line)
  } catch {
    // It has ended; whoever waits for it is told by that.
  }
}

type ReadLine = JsonText | 'noise' | { readonly id: number; readonly withheld: string }

function readMessage(line: Buffer): ReadLine {
  const parsed = parseStrict(line, ANSWER_LIMITS)
  if (parsed.ok) return isObject(parsed.value) ? { text: line.toString('utf8'), value: parsed.value } : 'noise'
  const lax = parseLax(line)
  if (!isObject(lax) || lax.method !== undefined || typeof lax.id !== 'number') return 'noise'
  // The problem's message quotes keys, and a key can be the credential.
  const { code, offset } = parsed.problem
  return {
    id: lax.id,
    withheld: `The MCP server's answer was withheld: ${code.replaceAll('_', ' ')} at byte ${offset}.`,
  }
}

function parseLax(line: Buffer): JsonValue | undefined {
  try {
    return JSON.parse(line.toString('utf8')) as JsonValue
  } catch {
    return undefined
  }
}
