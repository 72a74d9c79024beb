/** `npm run conformance` as a test: both sets of the official suite, whole, since they take seconds. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Row } from '../conformance/comparison.ts'
import { openSuite, REVISIONS, SuiteUnavailable } from '../conformance/suite.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PROGRAM = path.join(ROOT, 'dist/test/conformance/conformance.js')
/** Fetching the suite and a Node for it, on a slow day, and asking four times. */
const TIMEOUT_MS = 360_000
/** Those that the suite has today are 289: a run that silently asks for less must not pass. */
const CHECKS_MIN = 289

interface Ended {
  readonly code: number
  readonly output: string
}

function conformance(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { cwd: ROOT, maxBuffer: 1 << 24 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: `${err}${out}` })
    })
  })
}

it(
  '[REQ-CONFORMANCE-1] the official suite says of a server through the gateway what it says of it directly',
  async ({ skip }) => {
    try {
      await openSuite(ROOT, () => undefined)
    } catch (error) {
      if (!(error instanceof SuiteUnavailable)) throw error
      skip(`the conformance suite, or the Node 22 that it needs, is not to be had here: ${error.message}`)
    }
    const directory = await mkdtemp(path.join(tmpdir(), 'conformance-test-'))
    try {
      const json = path.join(directory, 'checks.json')
      const { code, output } = await conformance(['--json', json])
      const written = await readFile(json, 'utf8').catch(() => null)
      if (written === null) throw new Error(`the comparison did not end:\n${output}`)
      const { sets } = JSON.parse(written) as { sets: { requirements: string; rows: Row[] }[] }
      expect(sets.map(({ requirements }) => requirements)).toEqual(REVISIONS)
      const rows = sets.flatMap((set) => set.rows)
      expect(rows.filter(({ same }) => !same)).toEqual([])
      // What fails directly would compare nothing.
      expect(rows.filter(({ direct }) => !['SUCCESS', 'INFO', 'SKIPPED'].includes(String(direct)))).toEqual([])
      expect(rows.length).toBeGreaterThanOrEqual(CHECKS_MIN)
      expect(output.trimEnd().split('\n').at(-1)).toMatch(/^\d+ checks \(.+\): 0 differ through the gateway$/)
      expect(code, output).toBe(0)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
  TIMEOUT_MS,
)

it('refuses a set that the suite has not', async () => {
  const { code, output } = await conformance(['--requirements', '2024-11-05'])
  expect(code).toBe(2)
  expect(output).toMatch(/2025-11-25, 2026-07-28/)
})
