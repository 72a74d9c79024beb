/**
 * A real MCP server whose effects one can see: @modelcontextprotocol/server-filesystem on one directory, bridged from
 * stdio to HTTP by mcp-proxy until the gateway starts stdio upstreams itself. Both eras on one endpoint, on loopback,
 * and closed to everyone without its key: the key is what the gateway brokers.
 */
import { createRequire } from 'node:module'
import path from 'node:path'
import { freePort, start, whenListening } from './processes.ts'

const require = createRequire(import.meta.url)

export interface FilesystemUpstream {
  readonly url: string
  readonly port: number
  stop(): Promise<void>
}

export const UPSTREAM_KEY_HEADER = 'X-API-Key'

export async function startFilesystemUpstream(options: {
  readonly directory: string
  readonly apiKey: string
  readonly port?: number
}): Promise<FilesystemUpstream> {
  const port = options.port ?? (await freePort())
  const args = [
    ...[binOf('mcp-proxy', 'dist/bin/mcp-proxy.mjs'), '--host', '127.0.0.1', '--port', String(port)],
    ...['--server', 'stream', '--'],
    ...[process.execPath, binOf('@modelcontextprotocol/server-filesystem', 'dist/index.js'), options.directory],
  ]
  // As an argument the key would be in everybody's list of processes. mcp-proxy reads each option from MCP_PROXY_… too.
  const env = { ...process.env, MCP_PROXY_API_KEY: options.apiKey }
  const bridge = start(process.execPath, args, { env })
  await whenListening(port, bridge)
  return { url: `http://127.0.0.1:${port}/mcp`, port, stop: async () => void (await bridge.stop()) }
}

/** Neither package exports its program by name, so it is found beside the package's own manifest. */
function binOf(name: string, file: string): string {
  const manifest = require.resolve.paths(name)?.map((folder) => path.join(folder, name, file)) ?? []
  const found = manifest.find((candidate) => require('node:fs').existsSync(candidate))
  if (found === undefined) throw new Error(`${name} is not installed: run npm install.`)
  return found
}
