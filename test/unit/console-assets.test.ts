import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { loadAssets } from '../../bots/console/assets.ts'

const run = promisify(execFile)
const directory = new URL('../../bots/console/assets/', import.meta.url)
const scripts = readdirSync(directory).filter((name) => name.endsWith('.js'))

test('the page’s scripts agree with the types of what the gateway sends', async () => {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const result = await run(process.execPath, [tsc, '-p', directory.pathname]).catch((error) => error)
  expect(result.stdout).toBe('')
  expect(result.code ?? 0).toBe(0)
})

test('every file that a page or a script names is served', () => {
  const served = loadAssets()
  const texts = [...scripts.map((name) => new URL(name, directory)), new URL('../pages.ts', directory)].map((url) =>
    readFileSync(url, 'utf8'),
  )
  const named = texts.flatMap((text) => [
    ...[...text.matchAll(/from '\.\/([\w.-]+)'/g)].map((match) => match[1]),
    ...[...text.matchAll(/\/console\/assets\/([\w-]+\.[a-z]+)/g)].map((match) => match[1]),
    ...[...text.matchAll(/script: '([\w.-]+)'/g)].map((match) => match[1]),
  ])
  expect(new Set(named).size).toBeGreaterThanOrEqual(8)
  for (const name of named) expect(served.has(name ?? ''), name).toBe(true)
})

const sinks =
  /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|createContextualFragment|DOMParser|\.srcdoc|javascript:/
test.each(scripts)('%s turns no text into markup or code', (name) => {
  expect(readFileSync(new URL(name, directory), 'utf8')).not.toMatch(sinks)
})
