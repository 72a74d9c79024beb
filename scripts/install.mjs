/**
 * Brings node_modules in line with package-lock.json, and does nothing where it already is.
 *
 * npm writes node_modules/.package-lock.json last, so that a missing one is an unfinished install. Contents are
 * compared, not times: git gives a file a new time without changing it.
 *
 * Install scripts stay off: none of our packages needs one (native parts come as packages of their own), and a
 * gateway that guards credentials should not run its dependencies' scripts on the way in.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export async function install(root) {
  if (isInstalled(root)) return 0
  console.log('Installing the packages of package-lock.json (npm ci; about half a minute the first time) …')
  const startedAt = Date.now()
  const status = await npmCi(root)
  if (status === 0) console.log(`Installed in ${Math.round((Date.now() - startedAt) / 1000)} s.`)
  return status
}

/** True when each locked package is there in the locked version; optional ones (other platforms') may be missing. */
function isInstalled(root) {
  const locked = readPackages(`${root}package-lock.json`)
  const installed = readPackages(`${root}node_modules/.package-lock.json`)
  if (locked === null || installed === null) return false
  return Object.entries(locked).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    if (found === undefined) return entry.optional === true || entry.devOptional === true
    return found.version === entry.version && found.integrity === entry.integrity
  })
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return null
  }
}

/** `--include=dev`: someone's NODE_ENV=production must not leave the tests without vitest. */
function npmCi(root) {
  const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const viaNpm = process.env.npm_execpath?.endsWith('.js') === true
  const [command, first] = viaNpm ? [process.execPath, [process.env.npm_execpath]] : ['npm', []]
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...first, ...args], {
      cwd: root,
      stdio: 'inherit',
      shell: process.platform === 'win32' && !viaNpm,
    })
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}
