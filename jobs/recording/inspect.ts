/** What `countersign doctor` says of the place for recordings: the recorder's own steps, on a file that it removes. */
import { access, constants, mkdtemp, open, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

export interface RecordingFinding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  /** What to do where it is not ok. */
  readonly cure: string
}

/** A busy day of recordings: 1,000 calls a minute at some 700 bytes each. */
const FREE_MIN_BYTES = 1024 ** 3

/** Never rejects, and leaves nothing behind: a directory that is missing is only looked at from above. */
export async function inspectRecordings(directory: string): Promise<readonly RecordingFinding[]> {
  const writable = {
    check: 'recordings: writable',
    cure: `Let the user that runs the gateway create files in ${directory}.`,
  }
  try {
    const place = await nearestExisting(resolve(directory))
    const free = await freeSpace(place)
    if (place !== resolve(directory)) {
      await access(place, constants.W_OK | constants.X_OK)
      return [{ ...writable, ok: true, detail: `${directory} will be made at start` }, free]
    }
    const syncMs = await tryToRecord(place)
    return [{ ...writable, ok: true, detail: `a record reached the disk in ${syncMs.toFixed(1)} ms` }, free]
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown'
    return [{ ...writable, ok: false, detail: why }]
  }
}

async function tryToRecord(directory: string): Promise<number> {
  const scratch = await mkdtemp(join(directory, '.doctor-'))
  try {
    const file = await open(join(scratch, 'try'), 'ax', 0o600)
    try {
      const startedAt = performance.now()
      await file.writeFile('try\n')
      await file.datasync()
      return performance.now() - startedAt
    } finally {
      await file.close()
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function freeSpace(directory: string): Promise<RecordingFinding> {
  const { bavail, bsize } = await statfs(directory)
  const bytes = bavail * bsize
  return {
    check: 'recordings: space',
    ok: bytes >= FREE_MIN_BYTES,
    detail: `${(bytes / 1024 ** 3).toFixed(1)} GiB free`,
    cure: 'Make room, or move old segments elsewhere: on a full disk nothing goes through.',
  }
}

async function nearestExisting(path: string): Promise<string> {
  try {
    if (!(await stat(path)).isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' })
    return path
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error
    return nearestExisting(dirname(path))
  }
}
