/** Stands before replicas as a load balancer does: new connections go where it points, and what is open stays open. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import net from 'node:net'

export interface Switch {
  readonly url: string
  /** From the next connection on. */
  pointTo(url: string): void
  close(): void
}

export async function startSwitch(): Promise<Switch> {
  let target: URL | null = null
  const sockets = new Set<net.Socket>()
  const server = net.createServer((inbound) => {
    if (target === null) {
      inbound.destroy()
      return
    }
    const outbound = net.connect(Number(target.port), target.hostname)
    for (const [one, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.once('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pointTo(url) {
      target = new URL(url)
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
