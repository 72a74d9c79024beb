/** What is compared: each contender passes the same call to the same upstream, in a process of its own. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, type Started, start, whenListening } from '../demo/processes.ts'
import { fetchDebianPackage, findOnPath, type Program } from '../jobs/debian-packages.ts'
import { cacheDirectoryOf } from '../jobs/embedded-redis.ts'

export interface Upstream {
  readonly url: string
  readonly process: Started
}

export interface Surroundings {
  readonly upstream: Upstream
  /** Scratch, deleted at the end. */
  readonly directory: string
  readonly progress: (line: string) => void
}

export interface Running {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The process whose time is charged to the contender; of the direct call, the upstream's own. */
  readonly pid: number
  stop(): Promise<void>
}

export interface Contender {
  readonly name: 'direct' | 'nginx' | 'bare' | 'countersign'
  readonly title: string
  /** Rejects where it can't be measured here; the row then says why. */
  start(surroundings: Surroundings): Promise<Running>
}

export const direct: Contender = {
  name: 'direct',
  title: 'direct to the upstream',
  async start({ upstream }) {
    return { url: upstream.url, headers: {}, pid: pidOf(upstream.process), stop: async () => {} }
  },
}

export const bare: Contender = {
  name: 'bare',
  title: 'express + http-proxy',
  async start({ upstream }) {
    const process = startProgram('bare-proxy.js', [upstream.url])
    const [, port] = await process.line(/listening on (\d+)/)
    return runningAt(`http://127.0.0.1:${port}/mcp`, process)
  },
}

export const nginx: Contender = {
  name: 'nginx',
  title: 'nginx',
  async start({ upstream, directory, progress }) {
    const program = await findNginx(progress)
    const port = await freePort()
    const home = join(directory, 'nginx')
    mkdirSync(home, { recursive: true })
    const configuration = join(home, 'nginx.conf')
    writeFileSync(configuration, nginxConfiguration(home, port, new URL(upstream.url).host))
    const environment = { ...process.env, ...program.environment }
    const server = start(program.path, ['-e', 'stderr', '-p', home, '-c', configuration], { env: environment })
    await whenListening(port, server)
    return runningAt(`http://127.0.0.1:${port}/mcp`, server)
  },
}

async function findNginx(progress: (line: string) => void): Promise<Program> {
  const installed = await findOnPath(['nginx'], `${process.env.PATH ?? ''}:/usr/sbin`)
  if (installed !== null) return { path: installed, environment: {} }
  return fetchDebianPackage({
    packages: ['nginx'],
    binary: 'usr/sbin/nginx',
    cacheDirectory: cacheDirectoryOf({ xdgCacheHome: process.env.XDG_CACHE_HOME, home: homedir() }),
    progress,
  })
}

/**
 * One process, so that its time is one number and it has no more cores than the others; connections to the upstream
 * kept, which nginx by default does not do.
 */
function nginxConfiguration(home: string, port: number, upstream: string): string {
  return `
daemon off;
master_process off;
pid ${home}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${home}/body;
  proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi;
  scgi_temp_path ${home}/scgi;
  keepalive_requests 100000000;
  upstream mcp { server ${upstream}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://mcp;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`
}

/** One of the bench's own programs, beside this one in dist. */
export function startProgram(file: string, args: readonly string[]): Started {
  return start(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args])
}

export function runningAt(url: string, process: Started, headers: Running['headers'] = {}): Running {
  return { url, headers, pid: pidOf(process), stop: async () => void (await process.stop()) }
}

function pidOf({ child }: Started): number {
  if (child.pid === undefined) throw new Error('the process did not start')
  return child.pid
}
