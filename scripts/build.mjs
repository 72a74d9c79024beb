/**
 * TypeScript to dist/, with what else the programs read beside their modules (Lua scripts, the console's page).
 *
 * The compiler's notes for the next build lie in dist/ itself: who deletes dist gets a whole build, never half of one.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const shipped = ['src', 'proxy', 'bots', 'jobs', 'demo', 'bench', 'test']

export async function build(root) {
  const status = await tsc(root, ['--incremental', '--tsBuildInfoFile', 'dist/.tsbuildinfo'])
  if (status !== 0) return status
  for (const folder of shipped) {
    copyAssets(root, folder)
    removeOrphans(root, join('dist', folder))
  }
  return 0
}

export function typeCheck(root) {
  return tsc(root, ['--noEmit'])
}

function tsc(root, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.', ...args], {
      cwd: root,
      stdio: 'inherit',
    })
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

function copyAssets(root, folder) {
  for (const file of filesIn(root, folder)) {
    if (file.endsWith('.ts')) continue
    const target = join(root, 'dist', file)
    if (existsSync(target) && statSync(target).mtimeMs >= statSync(join(root, file)).mtimeMs) continue
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(join(root, file), target)
  }
}

/** A module that was renamed must not live on in dist, where an old import would still find it. */
function removeOrphans(root, folder) {
  for (const file of filesIn(root, folder)) {
    const source = join(root, file.slice('dist/'.length))
    const typescript = source.replace(/\.js(\.map)?$/, '.ts')
    if (!existsSync(source) && !existsSync(typescript)) rmSync(join(root, file))
  }
}

function filesIn(root, folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesIn(root, path) : [path]
  })
}
