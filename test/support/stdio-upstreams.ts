/** Settings of upstreams that are commands, for the tests that start gateways with them, and a look at processes. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const node = process.execPath
const serverOf = (name: string) => fileURLToPath(new URL(`./stdio-servers/${name}.mjs`, import.meta.url))

export const ODD_SERVER = serverOf('odd-server')
export const API_TOKEN = 'tok-51b0d2e47c3a'

/** One line of YAML under `upstreams`. */
export function commandUpstream(name: string, argv: readonly string[], more = ''): string {
  return `  ${name}: { command: ${JSON.stringify([node, ...argv])}, credential: { kind: static, env: API_TOKEN, secret: "\${API_TOKEN}" }${more} }`
}

export const filesystemArgv = (directory: string) => [
  path.join(path.dirname(require.resolve('@modelcontextprotocol/server-filesystem/package.json')), 'dist/index.js'),
  directory,
]
export const dualEraArgv = (mode: 'serve' | 'reject') => [serverOf('dual-era-server'), mode]

/** Neither gone nor a zombie. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
