/**
 * Fetches a program out of Debian or Ubuntu packages without root and without installing anything: `apt-get download`
 * into a folder, `dpkg-deb -x` into a cache, and the program runs from there with LD_LIBRARY_PATH.
 *
 * Trust: apt-get checks every package against the signed lists of the machine's own sources; nothing else is fetched.
 * Which libraries are missing is asked of the program itself (ldd), and their packages follow from Debian Policy
 * §8.1: the soname `libjemalloc.so.2` lives in `libjemalloc2`, `liblua5.1.so.0` in `liblua5.1-0`.
 *
 * Several processes may want the same program at once: each unpacks beside the cache and renames; the first wins.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A slow mirror may take a minute; a dead one must not hold up the start for ever. */
const COMMAND_TIMEOUT_MS = 120_000
const OUTPUT_MAX_BYTES = 4 * 1024 * 1024
/** Libraries of libraries: Redis needs two rounds, nginx two. */
const LIBRARY_ROUNDS_MAX = 5

export interface Program {
  readonly path: string
  /** To add to the program's environment. */
  readonly environment: Readonly<Record<string, string>>
}

export interface PackageWanted {
  /** The packages that hold the program; its libraries are found. */
  readonly packages: readonly string[]
  /** Inside the packages: `usr/bin/redis-server`. */
  readonly binary: string
  /** Where programs are kept, for all projects of this user. Delete it to fetch newer versions. */
  readonly cacheDirectory: string
  /** A line for the person who waits. */
  readonly progress: (line: string) => void
}

/** Why a program could not be fetched, in words for people. */
export class PackageUnavailable extends Error {
  override readonly name = 'PackageUnavailable'
}

/** The full path of the first of these programs on a PATH; null where none is. */
export async function findOnPath(names: readonly string[], path: string): Promise<string | null> {
  for (const name of names) {
    for (const directory of path.split(delimiter)) {
      const candidate = join(directory || '.', name)
      if (await isExecutable(candidate)) return candidate
    }
  }
  return null
}

/** The program from the cache, fetched where it isn't there. Rejects with PackageUnavailable. */
export async function fetchDebianPackage(wanted: PackageWanted): Promise<Program> {
  const home = join(wanted.cacheDirectory, `${basename(wanted.binary)}-${await platform()}`)
  const cached = programIn(home, wanted.binary)
  if (await isExecutable(cached.path)) return cached
  await mkdir(wanted.cacheDirectory, { recursive: true })
  const workshop = await mkdtemp(`${home}.tmp-`)
  try {
    const apt = await openApt(workshop)
    wanted.progress(`Fetching ${wanted.packages.join(', ')} with apt-get, without installing (kept in ${home}) …`)
    await apt.unpack(wanted.packages)
    await addMissingLibraries(apt, programIn(apt.root, wanted.binary))
    await putInPlace(apt.root, home, cached.path)
    return cached
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

/** The release is part of the name: after an upgrade of the machine the old libraries no longer fit. */
async function platform(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const field = (name: string) => new RegExp(`^${name}="?([\\w.-]+)`, 'm').exec(release)?.[1]
  const system = field('ID')
  if (process.platform !== 'linux' || !system) throw new PackageUnavailable('this machine has no apt-get')
  return [system, field('VERSION_ID') ?? 'rolling', process.arch].join('-')
}

function programIn(root: string, binary: string): Program {
  const libraries = libraryFolders().map((folder) => join(root, folder))
  return { path: join(root, binary), environment: { LD_LIBRARY_PATH: libraries.join(':') } }
}

/** Debian's multiarch folders. */
function libraryFolders(): string[] {
  const triplets: Partial<Record<NodeJS.Architecture, string>> = {
    x64: 'x86_64-linux-gnu',
    arm64: 'aarch64-linux-gnu',
    arm: 'arm-linux-gnueabihf',
    ppc64: 'powerpc64le-linux-gnu',
    s390x: 's390x-linux-gnu',
    riscv64: 'riscv64-linux-gnu',
  }
  const triplet = triplets[process.arch]
  return triplet ? [`usr/lib/${triplet}`, `lib/${triplet}`, 'usr/lib'] : ['usr/lib']
}

interface Apt {
  /** Where the packages' files are. */
  readonly root: string
  unpack(packages: readonly string[]): Promise<void>
  /** The first package of these names that exists. */
  unpackFirstOf(purpose: string, packages: readonly string[]): Promise<void>
}

/** apt-get that writes only into one folder, so that it needs no root and disturbs no other apt-get. */
async function openApt(folder: string): Promise<Apt> {
  const root = join(folder, 'root')
  for (const part of ['root', 'debs', 'cache/archives/partial', 'state/lists/partial']) {
    await mkdir(join(folder, part), { recursive: true })
  }
  const common = ['-q', '-o', `Dir::Cache=${join(folder, 'cache')}`, '-o', 'Acquire::Retries=2']
  // Root's apt-get would fetch as `_apt`, who may not write here.
  if (process.getuid?.() === 0) common.push('-o', 'APT::Sandbox::User=root')
  let lists: string[] = [] // the machine's own at first

  const download = (packages: readonly string[]) =>
    execute('apt-get', ['download', ...common, ...lists, '--', ...packages], join(folder, 'debs'))
  const downloadWithFreshLists = async (packages: readonly string[]) => {
    lists = ['-o', `Dir::State=${join(folder, 'state')}`]
    // One broken third-party source makes `update` fail although the others were read: the download decides.
    await execute('apt-get', ['update', ...common, ...lists], folder).catch(() => undefined)
    await download(packages)
  }
  const unpack = async (packages: readonly string[]) => {
    // A fresh machine has no lists, an old one names versions that the mirror no longer has.
    await download(packages).catch((error) =>
      lists.length > 0 ? Promise.reject(error) : downloadWithFreshLists(packages),
    )
    for (const file of await readdir(join(folder, 'debs'))) {
      await execute('dpkg-deb', ['-x', join(folder, 'debs', file), root], folder)
      await rm(join(folder, 'debs', file))
    }
  }
  return {
    root,
    unpack,
    async unpackFirstOf(purpose, packages) {
      for (const name of packages) {
        if (
          await unpack([name]).then(
            () => true,
            () => false,
          )
        )
          return
      }
      throw new PackageUnavailable(`no package found for ${purpose}`)
    },
  }
}

async function execute(command: string, args: readonly string[], cwd: string): Promise<void> {
  try {
    await run(command, args, { cwd, timeout: COMMAND_TIMEOUT_MS, maxBuffer: OUTPUT_MAX_BYTES })
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') throw new PackageUnavailable(`this machine has no ${command}`, { cause })
    const lastLine = stderr?.trim().split('\n').at(-1) ?? ''
    throw new PackageUnavailable(`${command} ${args[0]} failed: ${lastLine}`, { cause })
  }
}

async function addMissingLibraries(apt: Apt, program: Program): Promise<void> {
  for (let round = 0; round < LIBRARY_ROUNDS_MAX; round++) {
    const missing = await missingLibraries(program)
    if (missing.length === 0) return
    const likely = missing.flatMap((soname) => packagesOfSoname(soname).slice(0, 1))
    // One call for all is several times faster; it fails as a whole where one name is another on this release.
    if (
      await apt.unpack(likely).then(
        () => true,
        () => false,
      )
    )
      continue
    for (const soname of missing) await apt.unpackFirstOf(soname, packagesOfSoname(soname))
  }
  throw new PackageUnavailable(`${basename(program.path)} still misses libraries: ${await missingLibraries(program)}`)
}

async function missingLibraries(program: Program): Promise<string[]> {
  const variables = Object.entries(program.environment).map(([name, value]) => `${name}=${value}`)
  const { stdout } = await run('env', [...variables, 'ldd', program.path]).catch((cause) => {
    throw new PackageUnavailable(`ldd cannot read ${program.path}`, { cause })
  })
  return [...stdout.matchAll(/^\s*(\S+) => not found$/gm)].map((match) => match[1] as string)
}

/**
 * Debian Policy §8.1: the soname's name and version, a hyphen between two digits, `_` as `-`, lower case. `t64` is what
 * the 64-bit time_t transition of 2024 added to some.
 */
export function packagesOfSoname(soname: string): string[] {
  const match = /^(.+)\.so\.([\w.]+)$/.exec(soname) ?? /^(.+)-([\d.]+)\.so$/.exec(soname)
  if (!match) return []
  const [, name, version] = match as unknown as [string, string, string]
  const base = name.toLowerCase().replaceAll('_', '-')
  const joined = /\d$/.test(base) ? `${base}-${version}` : `${base}${version}`
  return [joined, `${joined}t64`]
}

/** Renaming a folder is atomic: a half-unpacked program is never found, and of two that finish at once one stays. */
async function putInPlace(from: string, to: string, executable: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (cause) {
    if (await isExecutable(executable)) return
    throw new PackageUnavailable(`cannot write ${dirname(to)}`, { cause })
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
