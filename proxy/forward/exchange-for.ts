/**
 * Which way a judged message goes: to a server over HTTP, or to one that the gateway has started; and what breaks it off.
 * An allowed call ends with its agent's connection. An approved one outlives that: people approved it for one run.
 */
import type { PrincipalId } from '../../src/brands.ts'
import type { Exchange } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import type { StdioUpstream } from '../stdio/stdio-upstream.ts'
import type { ExchangeOptions } from './exchange.ts'
import { createExchange } from './exchange.ts'
import type { Target } from './http-proxy.ts'

export type UpstreamTarget = Target | StdioUpstream

export interface WayOptions extends Omit<ExchangeOptions, 'target'> {
  readonly principal: PrincipalId
  /**
   * What breaks off a call that outlives its agent; its reason is the error that this is. Null where no connection is
   * waiting anyway, and `gone` ends every call.
   */
  readonly cutOff: (() => AbortSignal) | null
}

export function exchangeFor(target: UpstreamTarget, options: WayOptions): Exchange {
  const { cutOff, ...rest } = options
  const exchangeUntil = (gone: AbortSignal): Exchange =>
    'kind' in target ? target.exchange({ ...rest, gone }) : createExchange({ ...rest, gone, target })
  return {
    async send(lease, how) {
      if (!how?.outlivesAgent || cutOff === null) return exchangeUntil(options.gone).send(lease, how)
      const signal = cutOff()
      try {
        const answer = await exchangeUntil(signal).send(lease, how)
        return answer.kind === 'stream' ? { ...answer, events: untilCutOff(answer.events, signal) } : answer
      } catch (error) {
        throw whyOf(error, signal)
      }
    },
  }
}

async function* untilCutOff<Event>(events: AsyncIterable<Event>, signal: AbortSignal): AsyncGenerator<Event> {
  try {
    yield* events
  } catch (error) {
    throw whyOf(error, signal)
  }
}

/** To the two ways it looks as if the agent had left. */
function whyOf(error: unknown, signal: AbortSignal): unknown {
  return error instanceof AgentGone && signal.aborted ? signal.reason : error
}
