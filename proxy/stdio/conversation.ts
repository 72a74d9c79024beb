/**
 * One request of a client's, from its line to the answer in the shape that HTTP gives it: plain JSON where the answer
 * comes first, a stream where the server says something before it, or is slow to answer.
 */

import type { AnswerHead, StreamEvent, UpstreamAnswer } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import type { Mail, Mailbox } from './mailbox.ts'
import type { Peer } from './peer.ts'
import type { JsonText } from './rewrite.ts'

/** After that a silent request becomes a stream, so that its client sees a head: some give up on one after minutes. */
const HEAD_WITHIN_MS = 5_000

export const JSON_HEADERS = { 'content-type': 'application/json' } as const
const STREAM_HEAD: AnswerHead = { status: 200, headers: { 'content-type': 'text/event-stream' } }

export async function converse(
  peer: Peer,
  message: JsonText,
  options: {
    readonly scope: string
    readonly takesMessages: boolean
    readonly gone: AbortSignal
    /** HTTP's status of a whole answer. */
    readonly statusOf: (answer: string) => number
  },
): Promise<UpstreamAnswer> {
  const { gone } = options
  if (gone.aborted) throw hasLeft()
  const { id, mailbox } = peer.request(message, options)
  const leave = () => {
    peer.abandon(id)
    mailbox.fail(hasLeft())
  }
  gone.addEventListener('abort', leave, { once: true })
  const over = () => gone.removeEventListener('abort', leave)
  try {
    const first = mailbox.take()
    // Where a stream of it is made that nobody reads, its failure is nobody's.
    first.catch(() => undefined)
    const isQuiet = options.takesMessages && (await isPendingAfter(first, HEAD_WITHIN_MS))
    const mail = isQuiet ? null : await first
    if (mail === null || !mail.isLast)
      return { ...STREAM_HEAD, kind: 'stream', events: rest(first, mailbox, leave, over) }
    over()
    return { ...whole(options.statusOf(mail.text), mail.text) }
  } catch (error) {
    over()
    throw error
  }
}

async function* rest(
  first: Promise<Mail>,
  mailbox: Mailbox,
  leave: () => void,
  over: () => void,
): AsyncGenerator<StreamEvent> {
  let mail: Mail | null = null
  try {
    for (mail = await first; ; mail = await mailbox.take()) {
      yield messageOf(mail.text)
      if (mail.isLast) return
    }
  } finally {
    over()
    // Whoever stops reading before the end has gone.
    if (mail?.isLast !== true) leave()
  }
}

/** What a server says by itself, for as long as its client listens; ends where another takes its place. */
export async function* listen(
  mailbox: Mailbox,
  until: { readonly gone: AbortSignal; readonly replaced: AbortSignal },
): AsyncGenerator<StreamEvent> {
  const signal = AbortSignal.any([until.gone, until.replaced])
  for (;;) {
    let mail: Mail
    try {
      mail = await mailbox.take(signal)
    } catch (error) {
      if (until.gone.aborted) throw hasLeft()
      if (until.replaced.aborted) return
      throw error
    }
    yield messageOf(mail.text)
  }
}

export function messageOf(data: string): StreamEvent {
  return { id: null, event: 'message', data, retryMs: null }
}

export function whole(status: number, text: string): Extract<UpstreamAnswer, { kind: 'whole' }> {
  return { kind: 'whole', status, headers: JSON_HEADERS, body: Buffer.from(text) }
}

export function nothing(status: number): Extract<UpstreamAnswer, { kind: 'whole' }> {
  return { kind: 'whole', status, headers: {}, body: new Uint8Array(0) }
}

/** An error of the bridge's own. Without an `id` where there is no request to answer. */
export function refusal(status: number, error: { code: number; message: string }, id: RpcId | null): UpstreamAnswer {
  const body: JsonObject = { jsonrpc: '2.0', ...(id === null ? {} : { id }), error }
  return whole(status, JSON.stringify(body))
}

export function hasLeft(): AgentGone {
  return new AgentGone('the agent left while its call was running')
}

async function isPendingAfter(event: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), ms)
  })
  try {
    return await Promise.race([event.then(() => false), late])
  } finally {
    clearTimeout(timer)
  }
}
