/** The version in package.json, wherever this module was compiled to. */
import { existsSync, readFileSync } from 'node:fs'

function readVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    const file = new URL(up, import.meta.url)
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  }
  return 'unknown'
}

export const VERSION = readVersion()
