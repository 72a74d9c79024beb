/** Titled lists of short rows, in as much room as a message has for them. */
import { clipped } from './clip.ts'
import { ROW_BYTES_MAX } from './limits.ts'

export interface Section {
  /** Words of ours. */
  readonly title: string
  /** Text from outside, made visible. */
  readonly rows: readonly string[]
  /** How many rows are left out already. */
  readonly more: number
}

export interface FittedSection {
  readonly title: string
  readonly rows: readonly string[]
  /** Says how many rows are left out; null: all are there. */
  readonly rest: string | null
}

/**
 * Where all are as long as can be, the lists give way at their ends: what each begins with says most. Null: no rows.
 * `paint` is called with fewer and fewer of them until it `fits`.
 */
export function fittingSections<Painting>(
  sections: readonly Section[],
  paint: (sections: readonly FittedSection[]) => Painting,
  fits: (painting: Painting) => boolean,
): Painting | null {
  const filled = sections.filter(({ rows }) => rows.length > 0)
  const longest = Math.max(0, ...filled.map(({ rows }) => rows.length))
  let painting: Painting | null = null
  for (let rowsMax = longest; rowsMax > 0; rowsMax -= 1) {
    painting = paint(filled.map((section) => fitted(section, rowsMax)))
    if (fits(painting)) break
  }
  return painting
}

function fitted({ title, rows, more }: Section, rowsMax: number): FittedSection {
  const shown = rows.slice(0, rowsMax).map((row) => clipped(row, ROW_BYTES_MAX))
  const left = more + rows.length - shown.length
  return { title, rows: shown, rest: left === 0 ? null : `and ${left.toLocaleString('en')} more` }
}
