/**
 * One at a time in this checkout: a lock file that names its holder's process, so that a holder which was killed
 * doesn't keep everyone out.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const pollMs = 250
/** An install or a build takes a minute or two. Past this a process id was probably given out again. */
const staleMs = 30 * 60_000

export async function withLock(root, work) {
  const file = `${root}.cache/prepare.lock`
  mkdirSync(`${root}.cache`, { recursive: true })
  let isAnnounced = false
  while (!take(file)) {
    if (!isAnnounced) console.log('Another run is installing or building here; waiting for it …')
    isAnnounced = true
    await pause(pollMs)
  }
  const release = () => rmSync(file, { force: true })
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

function take(file) {
  try {
    writeFileSync(file, `${process.pid}`, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  const holder = holderOf(file)
  if (holder === null || !isGone(holder)) return false
  clear(file, holder.pid)
  return take(file)
}

/** Renaming is atomic: of several that find a dead holder, one moves the file away, and all try again. */
function clear(file, pid) {
  const aside = `${file}.${process.pid}`
  try {
    renameSync(file, aside)
    // Someone was quicker, and this is already the next holder's: put it back.
    if (Number(readFileSync(aside, 'utf8')) !== pid) linkSync(aside, file)
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error
  }
  rmSync(aside, { force: true })
}

function holderOf(file) {
  try {
    return { pid: Number(readFileSync(file, 'utf8')), ageMs: Date.now() - statSync(file).mtimeMs }
  } catch {
    return null
  }
}

function isGone({ pid, ageMs }) {
  // Created, its number not yet written.
  if (pid === 0) return ageMs > pollMs * 4
  if (ageMs > staleMs) return true
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}
