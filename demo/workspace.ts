/**
 * The demo's directory: `--dir`, which stays, or a temporary one, which goes at the end. Never touches a directory that
 * holds anything but an earlier demo; there the recordings go on, and the demo's own files are written anew.
 */
import { existsSync } from 'node:fs'
import { access, constants, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { MARK } from './example-files.ts'

export interface Workspace {
  readonly directory: string
  readonly isKept: boolean
  /** What the MCP server serves. */
  readonly files: string
  readonly recordings: string
  readonly settingsFile: string
  readonly policyFile: string
  /** Removes it where nobody asked to keep it. */
  close(): Promise<void>
}

export async function openWorkspace(wanted: string | null): Promise<Workspace> {
  const made = wanted === null ? await mkdtemp(path.join(tmpdir(), 'countersign-demo-')) : await claim(wanted)
  // The MCP server tells the real path of each file, and the system's temporary directory may be a link.
  const directory = await realpath(made)
  const files = path.join(directory, 'files')
  await mkdir(files, { recursive: true })
  return {
    directory,
    isKept: wanted !== null,
    files,
    recordings: path.join(directory, 'recordings'),
    settingsFile: path.join(directory, 'countersign.yaml'),
    policyFile: path.join(directory, 'policy.yaml'),
    async close() {
      if (wanted === null) await rm(directory, { recursive: true, force: true })
    },
  }
}

async function claim(directory: string): Promise<string> {
  try {
    await makeDirectory(directory)
    if (!(await stat(directory)).isDirectory()) throw Object.assign(new Error(), { code: 'EEXIST' })
    await access(directory, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new Error(`${directory} ${whyNot((cause as NodeJS.ErrnoException).code)}. Choose another --dir.`, { cause })
  }
  if ((await readdir(directory)).length === 0 || (await isEarlierDemo(directory))) return directory
  throw new Error(`${directory} is not empty, and not from an earlier demo. Choose an empty or a new --dir.`)
}

/** Node's own `recursive` never ends where a parent exists and the child still can't be made (as in /proc). */
async function makeDirectory(directory: string): Promise<void> {
  if (existsSync(directory)) return
  if (!existsSync(path.dirname(directory))) await makeDirectory(path.dirname(directory))
  await mkdir(directory)
}

function whyNot(code: string | undefined): string {
  if (code === 'EEXIST' || code === 'ENOTDIR') return 'is no directory'
  return `cannot be made or written (${code})`
}

async function isEarlierDemo(directory: string): Promise<boolean> {
  const text = await readFile(path.join(directory, 'countersign.yaml'), 'utf8').catch(() => '')
  return text.startsWith(MARK)
}

/** Made up in each run, so that no secret scanner ever finds one in this project. */
export interface PlantedFiles {
  readonly notes: string
  readonly environment: string
  /** Where the agent will write. */
  readonly report: string
  readonly secret: string
}

export async function plantFiles(files: string, random: string): Promise<PlantedFiles> {
  const planted = {
    notes: path.join(files, 'notes.md'),
    environment: path.join(files, 'production.env'),
    report: path.join(files, 'report.md'),
    secret: `ghp_${random}`,
  }
  await rm(planted.report, { force: true })
  await writeFile(
    planted.notes,
    ['# Deploying the shop', '', 'Merge to main and wait for the pipeline.', `Its token: ${planted.secret}`, ''].join(
      '\n',
    ),
  )
  await writeFile(planted.environment, `DATABASE_URL=postgres://shop:${random}@db.example.com/shop\n`)
  return planted
}
