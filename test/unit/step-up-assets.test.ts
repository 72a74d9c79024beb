/** The step-up pages' script: it type-checks, all that pages name is served, and no text becomes markup. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { loadAssets } from '../../bots/step-up/assets.ts'

const run = promisify(execFile)
const directory = new URL('../../bots/step-up/assets/', import.meta.url)

test('the script agrees with the types of the browser', async () => {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const result = await run(process.execPath, [tsc, '-p', directory.pathname]).catch((error) => error)
  expect(result.stdout).toBe('')
  expect(result.code ?? 0).toBe(0)
})

test('every file that a page names is served', () => {
  const pages = readFileSync(new URL('../pages.ts', directory), 'utf8')
  const named = [...pages.matchAll(/\/assets\/([\w-]+\.[a-z]+)/g)].map((match) => match[1])
  expect(new Set(named)).toEqual(new Set(loadAssets().keys()))
})

test('the script turns no text into markup or code', () => {
  const sinks =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|\.srcdoc|javascript:/
  expect(readFileSync(new URL('step-up.js', directory), 'utf8')).not.toMatch(sinks)
})
