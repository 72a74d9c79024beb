/**
 * The Slack of the package `emulate`, in a process of its own: it listens on all interfaces and can't be told otherwise, so
 * that `listen` is made to mean loopback here, for all that this process starts.
 *
 * argv: the port, and what it knows at first, as JSON.
 */
import net from 'node:net'

const [port, seed] = process.argv.slice(2)
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (this: net.Server, ...given: unknown[]) {
  return listen.call(this, { port: Number(given[0]), host: '127.0.0.1' })
} as typeof listen

const { createEmulator } = await import('emulate')
const baseUrl = `http://127.0.0.1:${port}`
await createEmulator({ service: 'slack', port: Number(port), baseUrl, seed: { slack: JSON.parse(seed ?? '{}') } })
