/** The scripts behind npm: they run before anything is installed, so they are tried as programs. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const scripts = fileURLToPath(new URL('../../scripts/', import.meta.url))

interface Ended {
  /** The name of the signal where one ended it. */
  readonly code: number | string
  readonly out: string
  readonly err: string
}

function node(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, out, err) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? 'no code'), out, err })
    })
  })
}

/** Runs a module's text that may import the scripts by `S`. */
function script(text: string): Promise<Ended> {
  return node(['--input-type=module', '-e', text.replaceAll('S/', scripts)])
}

let folder: string
beforeEach(() => {
  folder = `${mkdtempSync(join(tmpdir(), 'scripts-'))}/`
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the version of Node', () => {
  it.each([
    ['18.20.8', '2026-01-01', 1, /needs Node 20\.19 or later; this is 18\.20\.8/],
    ['20.18.3', '2026-01-01', 1, /needs Node 20\.19/],
    ['20.19.0', '2026-01-01', 0, /^$/],
    ['20.20.2', '2026-05-01', 0, /Node 20 has had no security fixes since 2026-04-30/],
    ['24.1.0', '2026-05-01', 0, /^$/],
    ['31.0.0', '2030-01-01', 0, /^$/],
  ])('%s on %s', async (version, today, code, says) => {
    const ended = await script(`import { requireNode } from 'S/node-version.mjs'
      requireNode('${version}', new Date('${today}'))`)
    expect(ended.code).toBe(code)
    expect(ended.err).toMatch(says)
  })
})

describe('the lock of a checkout', () => {
  const hold = () =>
    script(`import { appendFileSync } from 'node:fs'
      import { setTimeout as pause } from 'node:timers/promises'
      import { withLock } from 'S/lock.mjs'
      await withLock('${folder}', async () => {
        appendFileSync('${folder}log', 'in ' + process.pid + '\\n')
        await pause(100)
        appendFileSync('${folder}log', 'out ' + process.pid + '\\n')
      })`)

  it('lets one in at a time, also behind a holder that was killed', async () => {
    mkdirSync(`${folder}.cache`)
    const dead = await script('console.log(process.pid)')
    writeFileSync(`${folder}.cache/prepare.lock`, dead.out.trim())
    const ended = await Promise.all(Array.from({ length: 4 }, hold))
    expect(ended.map(({ code, err }) => [code, err])).toEqual(ended.map(() => [0, '']))
    const lines = readFileSync(`${folder}log`, 'utf8').trim().split('\n')
    expect(lines).toHaveLength(8)
    for (let at = 0; at < lines.length; at += 2) expect(lines[at + 1]).toBe(lines[at]?.replace('in', 'out'))
    expect(existsSync(`${folder}.cache/prepare.lock`)).toBe(false)
  })

  it('is given back when the work fails', async () => {
    const ended = await script(`import { withLock } from 'S/lock.mjs'
      await withLock('${folder}', () => { throw new Error('broken') })`)
    expect(ended.code).toBe(1)
    expect(ended.err).toContain('broken')
    expect(existsSync(`${folder}.cache/prepare.lock`)).toBe(false)
  })
})

describe('the runner', () => {
  it.each([[[]], [['deploy']], [['toString']]])('answers %j with its usage', async (args) => {
    const ended = await node([join(scripts, 'run.mjs'), ...args])
    expect(ended.code).toBe(2)
    expect(ended.err).toContain('usage: node scripts/run.mjs check|test|build|demo|bench')
  })
})
