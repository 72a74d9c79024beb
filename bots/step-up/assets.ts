/**
 * The pages' script and style, and the look that they share with the console: files beside these modules, read once at
 * start, so that a build which forgot them fails there. Names come from this table, never from a URL's path.
 */
import { readFileSync } from 'node:fs'

const ASSETS = {
  'step-up.js': { at: './assets/step-up.js', contentType: 'text/javascript; charset=utf-8' },
  'step-up.css': { at: './assets/step-up.css', contentType: 'text/css; charset=utf-8' },
  'console.css': { at: '../console/assets/console.css', contentType: 'text/css; charset=utf-8' },
  'icon.svg': { at: '../console/assets/icon.svg', contentType: 'image/svg+xml' },
} as const

export interface Asset {
  readonly contentType: string
  readonly body: Buffer
}

export function loadAssets(): ReadonlyMap<string, Asset> {
  return new Map(
    Object.entries(ASSETS).map(([name, { at, contentType }]) => [
      name,
      { contentType, body: readFileSync(new URL(at, import.meta.url)) },
    ]),
  )
}
