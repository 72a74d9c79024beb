/**
 * Approved calls that may outlive their agents: people approved each for one run, so it is not broken off when its agent
 * goes away, and its answer waits for whoever comes back. Stopping waits for them as long as it waits for agents.
 */
import { GatewayError } from '../../src/errors.ts'
import { CutOff } from '../../src/gate/call.ts'

/** How long a call whose agent is gone may take. Longer than any call that people still wait for, and not for ever. */
const ALONE_MAX_MS = 60 * 60 * 1_000

export interface LastingCall {
  /** Breaks the call off; its reason is the error that this is. */
  readonly signal: AbortSignal
  done(): void
}

export interface Lasting {
  begin(agentLeft: AbortSignal): LastingCall
  /** Resolves when none is under way. */
  settled(): Promise<void>
  /** This process ends: whatever is still under way is given up, and nobody knows how it ends. */
  cutOff(): void
}

export function createLasting(): Lasting {
  const underWay = new Set<AbortController>()
  let waiting: (() => void)[] = []
  const settle = () => {
    if (underWay.size > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }
  return {
    begin(agentLeft) {
      const call = new AbortController()
      underWay.add(call)
      let timer: NodeJS.Timeout | undefined
      const startTimer = () => {
        timer = setTimeout(() => call.abort(tooLong()), ALONE_MAX_MS)
        timer.unref()
      }
      if (agentLeft.aborted) startTimer()
      else agentLeft.addEventListener('abort', startTimer, { once: true })
      return {
        signal: call.signal,
        done() {
          clearTimeout(timer)
          agentLeft.removeEventListener('abort', startTimer)
          underWay.delete(call)
          settle()
        },
      }
    },
    settled: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        settle()
      }),
    cutOff() {
      for (const call of underWay) call.abort(new CutOff('the gateway stops and can wait no longer'))
    },
  }
}

function tooLong(): GatewayError {
  const minutes = ALONE_MAX_MS / 60_000
  return new GatewayError(
    'upstream_unreachable',
    `The MCP server did not answer within ${minutes} minutes after the agent had left.`,
  )
}
