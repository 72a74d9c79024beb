/**
 * A real browser for tests: Chromium or Chrome on PATH, else Debian's package; installed where we are root, unpacked into
 * the user's cache where we are not. Without any of them the tests fail, and the message says what to install: a page
 * that nobody looked at has not been tested.
 */
import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'
import { fetchDebianPackage, findOnPath, type Program } from '../../jobs/debian-packages.ts'
import { cacheDirectoryOf } from '../../jobs/embedded-redis.ts'

const run = promisify(execFile)

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const INSTALL_TIMEOUT_MS = 10 * 60_000

/** No outside traffic of its own, and no sandbox, which containers don't allow: it only ever sees our own page. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts it with a new, empty profile that is gone after `close()`. */
export async function startBrowser(): Promise<Browser> {
  const { path, environment } = await findBrowser()
  const env = { ...process.env, ...environment } as Record<string, string>
  return chromium.launch({ executablePath: path, headless: true, args: ARGUMENTS, env })
}

async function findBrowser(): Promise<Program> {
  const installed = await findOnPath(NAMES, process.env.PATH ?? '')
  if (installed !== null) return { path: installed, environment: {} }
  try {
    return process.getuid?.() === 0 ? await install() : await unpack()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unknown'
    throw new Error(
      'The console’s tests need a browser, and there is none: install Chromium or Google Chrome so that `chromium` or ' +
        `\`google-chrome\` is on PATH (Debian: apt-get install chromium). Getting one here failed: ${why}`,
      { cause },
    )
  }
}

/** Under a lock of its own: two test files may find at once that there is none. */
async function install(): Promise<Program> {
  const apt = 'apt-get -q update; apt-get -q -y install --no-install-recommends chromium fonts-liberation'
  await run('flock', ['/tmp/countersign-browser.lock', 'sh', '-c', `command -v chromium >/dev/null || { ${apt}; }`], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: INSTALL_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  })
  const path = await findOnPath(NAMES, process.env.PATH ?? '')
  if (path === null) throw new Error('apt-get installed chromium, but it is not on PATH')
  return { path, environment: {} }
}

function unpack(): Promise<Program> {
  return fetchDebianPackage({
    packages: ['chromium', 'chromium-common', 'fonts-liberation'],
    binary: 'usr/lib/chromium/chromium',
    cacheDirectory: cacheDirectoryOf({ xdgCacheHome: process.env.XDG_CACHE_HOME, home: homedir() }),
    progress: (line) => process.stderr.write(`${line}\n`),
  })
}
