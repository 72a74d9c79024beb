/** The rules hold in this project, and each rule finds what it is there to find. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path/posix'
import { describe, expect, it } from 'vitest'
import { type Breach, findBreaches, type Rule } from './rules.ts'

const root = new URL('../..', import.meta.url)
const folders = ['src', 'proxy', 'bots', 'jobs', 'test', 'demo', 'bench', 'scripts']

const planted: readonly [sentence: string, rule: Rule, files: Record<string, string>][] = [
  ['src reaches for the network', 'src is pure', { 'src/gate/gate.ts': `import { request } from 'node:http'` }],
  ['src reaches for the network by its old name', 'src is pure', { 'src/gate/gate.ts': `import http from 'http'` }],
  ['src uses a package of the edges', 'src is pure', { 'src/gate/gate.ts': `import { Queue } from 'bullmq'` }],
  ['src knows a type of an edge', 'src is pure', { 'src/a.ts': `import type { X } from '../jobs/x.ts'` }],
  ['src names an edge’s type inline', 'src is pure', { 'src/a.ts': `export type A = import('../jobs/x.ts').X` }],
  ['src loads an edge later', 'src is pure', { 'src/a.ts': `export const a = () => import('../proxy/x.ts')` }],
  ['src re-exports an edge', 'src is pure', { 'src/a.ts': `export { x } from '../bots/x.ts'; export const b = 1` }],
  ['proxy imports jobs', 'layers meet in src', { 'proxy/a.ts': `import { x } from '../jobs/x.ts'` }],
  [
    'bots imports a type of proxy',
    'layers meet in src',
    { 'bots/slack/a.ts': `import type { X } from '../../proxy/x.ts'` },
  ],
  ['jobs imports bots', 'layers meet in src', { 'jobs/a.ts': `import { x } from '../bots/x.ts'` }],
  ['Teams imports Slack', 'channels meet in chat', { 'bots/teams/a.ts': `import { x } from '../slack/x.ts'` }],
  [
    'what chats share knows one',
    'channels meet in chat',
    { 'bots/chat/a.ts': `import type { X } from '../teams/x.ts'` },
  ],
  ['proxy imports main', 'nobody imports a composition root', { 'proxy/a.ts': `import { x } from '../src/main.ts'` }],
  ['src imports the cli', 'nobody imports a composition root', { 'src/a.ts': `import { x } from './cli/x.ts'` }],
  [
    'main imports a test helper',
    'runtime code imports runtime code',
    { 'src/main.ts': `import { x } from '../test/x.ts'` },
  ],
  ['proxy imports the demo', 'runtime code imports runtime code', { 'proxy/a.ts': `import { x } from '../demo/x.ts'` }],
  ['ioredis outside its home', 'one home a package', { 'jobs/holds.ts': `import { Redis } from 'ioredis'` }],
  ['bolt outside bots/slack', 'one home a package', { 'bots/console/a.ts': `import { App } from '@slack/bolt'` }],
  ['bullmq in the composition root', 'one home a package', { 'src/main.ts': `import { Worker } from 'bullmq'` }],
  [
    'the MCP client elsewhere in proxy',
    'one home a package',
    { 'proxy/a.ts': `import { Client } from '@modelcontextprotocol/client'` },
  ],
  ['a deep import from ioredis', 'one home a package', { 'proxy/a.ts': `import x from 'ioredis/built/utils.js'` }],
  [
    'http-proxy in two files',
    'one home a package',
    { 'proxy/a.ts': `import p from 'http-proxy'`, 'proxy/b.ts': `import p from 'http-proxy'` },
  ],
  ['a package for tests in runtime code', 'only declared packages', { 'proxy/a.ts': `import { it } from 'vitest'` }],
  ['a package nobody declared', 'only declared packages', { 'jobs/a.ts': `import { f } from 'left-pad'` }],
  [
    'a cycle of three, one edge by type',
    'no cycles',
    {
      'src/a.ts': `import { b } from './b.ts'`,
      'src/b.ts': `import { c } from './c.ts'`,
      'src/c.ts': `import type { A } from './a.ts'`,
    },
  ],
  ['a file that imports itself', 'no cycles', { 'src/a.ts': `import { a } from './a.ts'` }],
  ['export star', 'no barrels', { 'src/a.ts': `export * from './b.ts'; export const c = 1` }],
  ['nothing but exports of others', 'no barrels', { 'src/a.ts': `export { b } from './b.ts'` }],
  ['an index file', 'no barrels', { 'src/index.ts': `export const a = 1` }],
  ['camelCase', 'kebab-case names', { 'src/requestState.ts': '' }],
  ['an upper-case folder', 'kebab-case names', { 'src/Gate/gate.ts': '' }],
  ['process.env in an edge', 'settings are read once', { 'proxy/a.ts': `export const a = process.env.HOME` }],
  ['process.env by brackets', 'settings are read once', { 'jobs/a.ts': `export const a = process['env']` }],
  ['process.env by destructuring', 'settings are read once', { 'jobs/a.ts': `const { env } = process` }],
  ['process.env by import', 'settings are read once', { 'bots/a.ts': `import { env } from 'node:process'` }],
  ['a default export', 'no default exports', { 'src/a.ts': `export default 1` }],
  ['a default export by another name', 'no default exports', { 'src/a.ts': `const a = 1; export { a as default }` }],
  ['an import without its ending', 'imports name the .ts file', { 'src/a.ts': `import { b } from './b'` }],
  ['an import of the built file', 'imports name the .ts file', { 'test/a.ts': `import { b } from './b.js'` }],
  ['a computed import', 'imports can be read', { 'proxy/a.ts': `export const a = (n: string) => import(n)` }],
  ['require of a name made up on the way', 'imports can be read', { 'jobs/a.ts': `require(name)` }],
  ['require under another name', 'imports can be read', { 'jobs/a.ts': `const load = createRequire(import.meta.url)` }],
  ['require of what lives elsewhere', 'one home a package', { 'jobs/a.ts': `const a = require('http-proxy')` }],
]

/** What the rules must leave alone. */
const allowed: readonly [sentence: string, files: Record<string, string>][] = [
  [
    'main wires every layer and reads the environment',
    {
      'src/main.ts': `import { x } from '../jobs/x.ts'\nimport { readFile } from 'node:fs/promises'\nexport const e = process.env`,
    },
  ],
  [
    'a command imports main',
    { 'src/cli/serve.ts': `import { main } from '../main.ts'\nimport { Command } from 'commander'` },
  ],
  ['src uses its pure packages', { 'src/a.ts': `import { z } from 'zod'\nimport { createHash } from 'node:crypto'` }],
  [
    'an edge imports src and itself',
    { 'proxy/a.ts': `import type { B } from '../src/b.ts'\nimport { c } from './c.ts'` },
  ],
  [
    'a channel uses what chats share, and itself',
    { 'bots/slack/a.ts': `import { c } from '../chat/c.ts'\nimport { b } from './b.ts'` },
  ],
  [
    'packages at home',
    { 'jobs/redis.ts': `import { Redis } from 'ioredis'`, 'jobs/q.ts': `import { Queue } from 'bullmq'` },
  ],
  [
    'tests import whom they like',
    { 'test/a.test.ts': `import { it } from 'vitest'\nimport { x } from '../jobs/x.ts'` },
  ],
  ['an edge asks process for what is no setting', { 'jobs/a.ts': `export const a = process.pid` }],
]

describe('each rule finds its breach', () => {
  it.each(planted)('%s: %s', (_sentence, rule, files) => {
    const rules = check(files).map((breach) => breach.rule)
    expect(rules).toContain(rule)
  })

  it.each(allowed)('leaves alone: %s', (_sentence, files) => {
    expect(check(files)).toEqual([])
  })

  it('has a planted breach for every rule', () => {
    const rules = {
      'src is pure': true,
      'layers meet in src': true,
      'channels meet in chat': true,
      'nobody imports a composition root': true,
      'runtime code imports runtime code': true,
      'one home a package': true,
      'only declared packages': true,
      'no cycles': true,
      'no barrels': true,
      'kebab-case names': true,
      'settings are read once': true,
      'no default exports': true,
      'imports name the .ts file': true,
      'imports can be read': true,
    } satisfies Record<Rule, true>
    expect(new Set(planted.map(([, rule]) => rule))).toEqual(new Set(Object.keys(rules)))
  })
})

describe('this project', () => {
  const files = readProject()

  it('is what the test reads', () => {
    expect([...files.keys()]).toEqual(expect.arrayContaining(['src/ports.ts', 'jobs/redis.ts', 'scripts/run.mjs']))
  })

  it('[REQ-ARCH-1] keeps every rule', () => {
    const lines = findBreaches({ files, dependencies: declaredDependencies() }).map(toLine)
    expect(lines).toEqual([])
  })
})

function toLine({ file, rule, detail }: Breach): string {
  return `${file}: ${rule}: ${detail}`
}

function check(files: Record<string, string>): readonly Breach[] {
  return findBreaches({ files: new Map(Object.entries(files)), dependencies: declaredDependencies() })
}

function declaredDependencies(): ReadonlySet<string> {
  const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { dependencies: object }
  return new Set(Object.keys(manifest.dependencies))
}

function readProject(): ReadonlyMap<string, string> {
  const read = (folder: string): [string, string][] =>
    readdirSync(new URL(`${folder}/`, root), { withFileTypes: true }).flatMap((entry): [string, string][] => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return read(path)
      return [[path, path.endsWith('.ts') ? readFileSync(new URL(path, root), 'utf8') : '']]
    })
  return new Map(folders.flatMap(read))
}
