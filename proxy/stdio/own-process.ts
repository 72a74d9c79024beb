/**
 * A process of the gateway's own: the catalogue lists tools on it, and where agents share one process, it is this.
 * Started when it is first needed, kept while it is used, and started anew when it has ended.
 *
 * Nobody in particular stands behind it, so what the server asks of its client is answered here.
 */
import type { Lease } from '../../src/credential/lease.ts'
import { GatewayError } from '../../src/errors.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'
import type { ClientInfo, Handshake } from './handshake.ts'
import { modernMeta, shakeHands } from './handshake.ts'
import type { Unasked } from './peer.ts'
import type { Processes, Running } from './processes.ts'

export interface Shaken extends Handshake {
  readonly running: Running
}

export interface OwnProcess {
  /** Rejects with a GatewayError `upstream_…`. */
  get(lease: Lease): Promise<Shaken>
  /** One page of its tools. */
  tools(lease: Lease, cursor: string | undefined): Promise<ToolsPage>
}

export interface ToolsPage {
  readonly tools: readonly JsonObject[]
  readonly nextCursor: string | undefined
}

const LIST_WITHIN_MS = 10_000
const METHOD_NOT_FOUND = -32601

export function createOwnProcess(options: {
  readonly processes: Processes
  readonly owner: string
  readonly client: ClientInfo
  /** Notifications: for all who share it. */
  readonly onNotification: (message: Unasked) => void
  readonly isListening: () => boolean
}): OwnProcess {
  const { processes, owner, client, onNotification, isListening } = options
  let current: { readonly shaken: Promise<Shaken> } | null = null

  async function begin(lease: Lease, onEnd: () => void): Promise<Shaken> {
    const onUnasked = (message: Unasked) => {
      if (message.id === null) onNotification(message)
      else running.peer.tell(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...replyTo(message.method) }))
    }
    const running = processes.start({ owner, era: 'legacy', lease, onUnasked, isListening })
    void running.ended.then(onEnd)
    try {
      return { running, ...(await shakeHands(running.peer, client)) }
    } catch (error) {
      void running.stop('did not begin well')
      throw error
    }
  }

  function start(lease: Lease): Promise<Shaken> {
    const forget = () => {
      if (current === mine) current = null
    }
    const mine = { shaken: begin(lease, forget) }
    mine.shaken.catch(forget)
    current = mine
    return mine.shaken
  }

  const own: OwnProcess = {
    async get(lease) {
      const shaken = await (current?.shaken ?? start(lease))
      shaken.running.touch()
      return shaken
    },
    async tools(lease, cursor) {
      const { running, era } = await own.get(lease)
      const params = {
        ...(cursor === undefined ? {} : { cursor }),
        ...(era === 'modern' ? { _meta: modernMeta(client) } : {}),
      }
      const answer = await running.peer.ask('tools/list', params, LIST_WITHIN_MS)
      return readPage(answer?.result)
    },
  }
  return own
}

/** A server may look whether we live; whatever else it wants of its client, there is none. */
function replyTo(method: string): JsonObject {
  if (method === 'ping') return { result: {} }
  return { error: { code: METHOD_NOT_FOUND, message: 'There is no client here that could answer.' } }
}

function readPage(result: JsonValue | undefined): ToolsPage {
  if (!isObject(result) || !Array.isArray(result.tools)) {
    throw new GatewayError('upstream_bad_answer', 'The MCP server did not answer `tools/list` with tools.')
  }
  const { nextCursor } = result
  const tools = result.tools.filter((tool) => isObject(tool) && typeof tool.name === 'string') as JsonObject[]
  return { tools, nextCursor: typeof nextCursor === 'string' ? nextCursor : undefined }
}
