/**
 * Socket Mode: Slack's events over a connection that we open, for gateways that nothing outside can reach.
 *
 * Bolt's own reconnecting is off: where Slack refuses the app token while reconnecting, it rejects a promise that
 * nobody holds, which ends a Node process. Here a failure is a log line, and the next attempt comes later.
 */
import { SocketModeReceiver } from '@slack/bolt'
import type { Log } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import { API_TIMEOUT_MS, CLOSE_WAIT_MS, RECONNECT_FIRST_MS, RECONNECT_MAX_MS } from './limits.ts'
import { boltLogger, errorName } from './log.ts'
import { platformError, webClientOptions } from './web.ts'

export interface SocketMode {
  readonly receiver: SocketModeReceiver
  /** Resolves after the first attempt, however it ended; a failed one is tried again until stop(). */
  start(): Promise<void>
  stop(): Promise<void>
}

export function createSocketMode(options: { appToken: Secret; apiUrl: string | undefined; log: Log }): SocketMode {
  const { log, apiUrl } = options
  const receiver = new SocketModeReceiver({
    appToken: options.appToken.reveal(),
    logger: boltLogger(log),
    autoReconnectEnabled: false,
    installerOptions: { clientOptions: webClientOptions({ apiUrl, log, timeoutMs: API_TIMEOUT_MS }) },
    // Not acknowledged: Slack shows the person that the click failed.
    processEventErrorHandler: async () => false,
  })
  let stopping = false
  let failures = 0
  let timer: NodeJS.Timeout | undefined

  async function connect(): Promise<void> {
    timer = undefined
    try {
      await receiver.client.start()
      failures = 0
      log.info('slack socket mode connected', { channel: 'slack' })
    } catch (error) {
      const reason = platformError(error) ?? errorName(error)
      log.error('slack socket mode not connected; trying again', { channel: 'slack', error: reason })
      again()
    }
  }

  function again(): void {
    if (stopping || timer !== undefined) return
    timer = setTimeout(connect, Math.min(RECONNECT_FIRST_MS * 2 ** failures, RECONNECT_MAX_MS))
    failures += 1
  }

  receiver.client.on('disconnected', again)

  return {
    receiver,
    start() {
      stopping = false
      return connect()
    },
    async stop() {
      stopping = true
      clearTimeout(timer)
      timer = undefined
      let late: NodeJS.Timeout | undefined
      const waited = new Promise<void>((resolve) => {
        late = setTimeout(resolve, CLOSE_WAIT_MS)
      })
      await Promise.race([receiver.client.disconnect(), waited])
      clearTimeout(late)
    },
  }
}
