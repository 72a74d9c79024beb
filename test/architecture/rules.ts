/**
 * Who may import whom, as a function of the files, so that the test can also feed it breaches and see each found.
 *
 * A type import counts like any other: a layer that knows another's types has to change with it.
 */
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path/posix'
import { parseSync, Visitor } from 'vite'

export type Rule =
  | 'src is pure'
  | 'layers meet in src'
  | 'channels meet in chat'
  | 'nobody imports a composition root'
  | 'runtime code imports runtime code'
  | 'one home a package'
  | 'only declared packages'
  | 'no cycles'
  | 'no barrels'
  | 'kebab-case names'
  | 'settings are read once'
  | 'no default exports'
  | 'imports name the .ts file'
  | 'imports can be read'

export interface Breach {
  readonly rule: Rule
  readonly file: string
  readonly detail: string
}

export interface Project {
  /** Path from the project's folder, with `/`, to text. */
  readonly files: ReadonlyMap<string, string>
  /** `dependencies` of package.json: what is there where only production packages are installed. */
  readonly dependencies: ReadonlySet<string>
}

const runtimeFolders = ['src', 'proxy', 'bots', 'jobs'] as const
const edgeFolders: readonly string[] = ['proxy', 'bots', 'jobs']
/** Settings and schemas, canonical JSON, the policy language, its pattern engine; nothing that reaches the world. */
const purePackages = new Set([
  'zod',
  'yaml',
  'canonicalize',
  '@bufbuild/cel',
  '@bufbuild/re2',
  'node:crypto',
  'node:util',
])

/** What is old, heavy or one vendor's must be replaceable by touching one place. `/` at the end: a folder. */
const homes: Readonly<Record<string, string>> = {
  'http-proxy': 'proxy/',
  ioredis: 'jobs/redis.ts',
  bullmq: 'jobs/',
  '@slack/bolt': 'bots/slack/',
  '@slack/web-api': 'bots/slack/',
  '@slack/types': 'bots/slack/',
  'botframework-connector': 'bots/teams/',
  '@microsoft/agents-hosting': 'bots/teams/',
  botbuilder: 'bots/teams/',
  'openid-client': 'bots/step-up/sign-in.ts',
  '@simplewebauthn/server': 'bots/step-up/passkey-checks.ts',
  '@modelcontextprotocol/client': 'proxy/catalogue.ts',
}
/** Packages whose home is one file, whichever that is. */
const singleFilePackages = new Set(['http-proxy'])

interface Module {
  readonly path: string
  readonly imports: readonly string[]
  readonly computedImports: number
  readonly hasExportAll: boolean
  readonly hasDefaultExport: boolean
  readonly readsEnvironment: boolean
  readonly isOnlyReexports: boolean
}

export function findBreaches({ files, dependencies }: Project): readonly Breach[] {
  const modules = [...files].filter(([path]) => path.endsWith('.ts')).map(([path, text]) => parse(path, text))
  return [
    ...modules.flatMap((module) => (isRuntime(module.path) ? runtimeBreaches(module, dependencies) : [])),
    ...modules.flatMap(everywhereBreaches),
    ...[...files.keys()].flatMap(nameBreaches),
    ...secondHomes(modules),
    ...cycles(modules),
  ]
}

function runtimeBreaches(module: Module, dependencies: ReadonlySet<string>): readonly Breach[] {
  const { path } = module
  const breaches: Breach[] = []
  const add = (rule: Rule, detail: string) => breaches.push({ rule, file: path, detail })
  for (const specifier of module.imports) {
    const target = specifier.startsWith('.') ? join(dirname(path), specifier) : null
    if (target === null) outsideBreaches(path, specifier, dependencies, add)
    else insideBreaches(path, target, add)
  }
  if (module.computedImports > 0) {
    add('imports can be read', 'loads a module whose name only the running program knows')
  }
  if (module.readsEnvironment && !isRoot(path)) add('settings are read once', 'reads the environment')
  if (module.hasDefaultExport) add('no default exports', 'exports a default')
  return breaches
}

type Add = (rule: Rule, detail: string) => void

function insideBreaches(path: string, target: string, add: Add): void {
  const from = folderOf(path)
  const to = folderOf(target)
  if (!isRuntime(target)) add('runtime code imports runtime code', target)
  else if (isRoot(target) && !isRoot(path)) add('nobody imports a composition root', target)
  else if (isRoot(path)) return
  else if (from === 'src' && to !== 'src') add('src is pure', target)
  else if (edgeFolders.includes(from) && to !== from && to !== 'src') add('layers meet in src', target)
  else if (from === 'bots' && to === 'bots' && !mayShare(channelOf(path), channelOf(target))) {
    add('channels meet in chat', target)
  }
}

function outsideBreaches(path: string, specifier: string, dependencies: ReadonlySet<string>, add: Add): void {
  const name = packageOf(specifier)
  if (folderOf(path) === 'src' && !isRoot(path) && !purePackages.has(name)) add('src is pure', specifier)
  if (!name.startsWith('node:') && !dependencies.has(name)) add('only declared packages', name)
  const home = homes[name]
  if (home === undefined) return
  const isAtHome = home.endsWith('/') ? path.startsWith(home) : path === home
  if (!isAtHome) add('one home a package', `${name} belongs in ${home}`)
}

function everywhereBreaches(module: Module): readonly Breach[] {
  const breaches: Breach[] = []
  const add = (rule: Rule, detail: string) => breaches.push({ rule, file: module.path, detail })
  if (module.hasExportAll) add('no barrels', 'export *')
  if (module.isOnlyReexports) add('no barrels', 'nothing but exports of other files')
  if (module.path.endsWith('/index.ts')) add('no barrels', 'a file named index')
  for (const specifier of module.imports) {
    if (specifier.startsWith('.') && !specifier.endsWith('.ts')) add('imports name the .ts file', specifier)
  }
  return breaches
}

function nameBreaches(path: string): readonly Breach[] {
  const isKebab = path.split('/').every((part) => /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/.test(part))
  return isKebab ? [] : [{ rule: 'kebab-case names', file: path, detail: path }]
}

function secondHomes(modules: readonly Module[]): readonly Breach[] {
  return [...singleFilePackages].flatMap((name) => {
    const users = modules.filter(
      ({ path, imports }) => isRuntime(path) && imports.some((specifier) => packageOf(specifier) === name),
    )
    return users.slice(1).map(
      ({ path }): Breach => ({
        rule: 'one home a package',
        file: path,
        detail: `${name} is in ${users[0]?.path} already`,
      }),
    )
  })
}

/** Depth first; an edge to a file that is still open closes a cycle. */
function cycles(modules: readonly Module[]): readonly Breach[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const done = new Set<string>()
  const breaches: Breach[] = []
  const visit = (path: string, open: readonly string[]): void => {
    if (open.includes(path)) {
      const cycle = [...open.slice(open.indexOf(path)), path]
      breaches.push({ rule: 'no cycles', file: path, detail: cycle.join(' -> ') })
      return
    }
    if (done.has(path)) return
    for (const specifier of byPath.get(path)?.imports ?? []) {
      const target = join(dirname(path), specifier)
      if (specifier.startsWith('.') && byPath.has(target)) visit(target, [...open, path])
    }
    done.add(path)
  }
  for (const path of byPath.keys()) visit(path, [])
  return breaches
}

function parse(path: string, text: string): Module {
  const { program, errors } = parseSync(path, text, { lang: 'ts' })
  if (errors.length > 0) throw new Error(`${path} cannot be parsed: ${errors[0]?.message}`)
  const imports: string[] = []
  const found = { computedImports: 0, hasExportAll: false, hasDefaultExport: false, readsEnvironment: false }
  new Visitor({
    ImportDeclaration: (node) => {
      imports.push(node.source.value)
      if (/^(node:)?process$/.test(node.source.value)) found.readsEnvironment = true
    },
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) imports.push(node.source.value)
      if (node.specifiers.some(({ exported }) => 'name' in exported && exported.name === 'default')) {
        found.hasDefaultExport = true
      }
    },
    ExportAllDeclaration: (node) => {
      imports.push(node.source.value)
      found.hasExportAll = true
    },
    ExportDefaultDeclaration: () => {
      found.hasDefaultExport = true
    },
    ImportExpression: (node) => {
      if (node.source.type === 'Literal' && typeof node.source.value === 'string') imports.push(node.source.value)
      else found.computedImports += 1
    },
    CallExpression: (node) => {
      if (node.callee.type !== 'Identifier') return
      const [name] = node.arguments
      if (node.callee.name !== 'require') return
      if (name?.type === 'Literal' && typeof name.value === 'string') imports.push(name.value)
      else found.computedImports += 1
    },
    TSImportType: (node) => imports.push(node.source.value),
    TSImportEqualsDeclaration: (node) => {
      if (node.moduleReference.type === 'TSExternalModuleReference') imports.push(node.moduleReference.expression.value)
    },
    MemberExpression: (node) => {
      const isProcess = node.object.type === 'Identifier' && node.object.name === 'process'
      if (isProcess && (node.computed || ('name' in node.property && node.property.name === 'env'))) {
        found.readsEnvironment = true
      }
    },
    VariableDeclarator: (node) => {
      // Under another name its calls would not be seen above.
      const isRequire =
        node.init?.type === 'CallExpression' && 'name' in node.init.callee && node.init.callee.name === 'createRequire'
      if (isRequire && !('name' in node.id && node.id.name === 'require')) found.computedImports += 1
      if (node.init?.type === 'Identifier' && node.init.name === 'process') found.readsEnvironment = true
    },
  }).visit(program)
  const isOnlyReexports =
    program.body.length > 0 &&
    program.body.every((node) => node.type === 'ExportNamedDeclaration' && node.source !== null)
  return { path, imports, ...found, isOnlyReexports }
}

function folderOf(path: string): string {
  return path.split('/', 1)[0] ?? ''
}

/** `bots/slack/text.ts` -> `slack`. */
function channelOf(path: string): string {
  return path.split('/', 2)[1] ?? ''
}

/** What two channels share is in bots/chat, which knows neither. */
function mayShare(from: string, to: string): boolean {
  return from === to || to === 'chat'
}

function isRuntime(path: string): boolean {
  return runtimeFolders.some((folder) => path.startsWith(`${folder}/`))
}

/** The composition roots wire the layers, read files and the environment; nothing else does. */
function isRoot(path: string): boolean {
  return path === 'src/main.ts' || path.startsWith('src/cli/')
}

/** `@scope/name/deep` -> `@scope/name`; a builtin under one name, `fs` and `node:fs` alike. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier.split('/', 1)[0] ?? specifier
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  return builtinModules.includes(name) ? `node:${name}` : name
}
