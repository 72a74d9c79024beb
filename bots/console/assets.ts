/**
 * The page's script, style and icon: files beside this module, read once at start. A build that forgot to copy them
 * fails there, in front of whoever started it, and not at the first approval. Names come from this table, never from
 * a URL's path.
 */
import { readFileSync } from 'node:fs'

const ASSETS = {
  'console.js': 'text/javascript; charset=utf-8',
  'card.js': 'text/javascript; charset=utf-8',
  'session.js': 'text/javascript; charset=utf-8',
  'dom.js': 'text/javascript; charset=utf-8',
  'link.js': 'text/javascript; charset=utf-8',
  'open.js': 'text/javascript; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const

export interface Asset {
  readonly contentType: string
  readonly body: Buffer
}

export function loadAssets(): ReadonlyMap<string, Asset> {
  const directory = new URL('./assets/', import.meta.url)
  return new Map(
    Object.entries(ASSETS).map(([name, contentType]) => [
      name,
      { contentType, body: readFileSync(new URL(name, directory)) },
    ]),
  )
}
