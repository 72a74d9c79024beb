/** The upstreams of the settings, in the two shapes that are needed: where calls go, and where the catalogue looks. */
import path from 'node:path'
import type { UpstreamSettings } from '../src/config/settings.ts'
import type { Masker } from '../src/masking/masker.ts'
import type { Clock, Log } from '../src/ports.ts'
import type { ToolSource } from './catalogue.ts'
import type { UpstreamTarget } from './forward/exchange-for.ts'
import { targetOf } from './forward/http-proxy.ts'
import { createStdioUpstream } from './stdio/stdio-upstream.ts'

export interface Upstreams {
  readonly targets: ReadonlyMap<string, UpstreamTarget>
  readonly sources: ReadonlyMap<string, ToolSource>
  /** Ends the processes that were started. */
  close(): Promise<void>
}

export interface UpstreamsOptions {
  /** Of the settings file: what their paths are relative to. */
  readonly directory: string
  /** The gateway's own. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly masker: Masker
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

/** Starts nothing yet: a process begins with its first message. */
export function openUpstreams(settings: ReadonlyMap<string, UpstreamSettings>, options: UpstreamsOptions): Upstreams {
  const { directory, environment, version, ...world } = options
  const targets = new Map<string, UpstreamTarget>()
  const sources = new Map<string, ToolSource>()
  const closers: (() => Promise<void>)[] = []
  for (const [name, upstream] of settings) {
    if (upstream.kind === 'http') {
      const url = new URL(upstream.url)
      targets.set(name, targetOf(url))
      sources.set(name, url)
      continue
    }
    const started = createStdioUpstream({
      ...world,
      ...upstream,
      upstream: name,
      cwd: path.resolve(directory, upstream.cwd ?? '.'),
      ambient: environment,
      random: Math.random,
      client: { name: 'countersign', version },
    })
    targets.set(name, started)
    sources.set(name, started)
    closers.push(() => started.close())
  }
  return {
    targets,
    sources,
    async close() {
      await Promise.all(closers.map((close) => close()))
    },
  }
}
