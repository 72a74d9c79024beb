/** Titled lists of short rows, in as many bytes as a message has for them. */
import type { types } from '@slack/bolt'
import { ROW_BYTES_MAX, SECTIONS_BYTES_MAX } from './limits.ts'
import { clipped, jsonBytes, label, line, note, quoted } from './text.ts'

export interface Section {
  /** Words of ours. */
  readonly title: string
  /** Text from outside, made visible. */
  readonly rows: readonly string[]
  /** How many rows are left out already. */
  readonly more: number
}

type Elements = (types.RichTextSection | types.RichTextList)[]

/** Where all are as long as can be, the lists give way at their ends: what each begins with says most. Null: no rows. */
export function sectionsBlock(sections: readonly Section[]): types.RichTextBlock | null {
  const longest = Math.max(0, ...sections.map(({ rows }) => rows.length))
  if (longest === 0) return null
  let elements: Elements = []
  for (let rowsMax = longest; rowsMax > 0; rowsMax -= 1) {
    elements = sections.filter(({ rows }) => rows.length > 0).flatMap((section) => elementsOf(section, rowsMax))
    if (jsonBytes(elements) <= SECTIONS_BYTES_MAX) break
  }
  return { type: 'rich_text', elements }
}

function elementsOf({ title, rows, more }: Section, rowsMax: number): Elements {
  const shown = rows.slice(0, rowsMax).map((row) => line(quoted(clipped(row, ROW_BYTES_MAX))))
  const left = more + rows.length - shown.length
  const rest = left === 0 ? [] : [line(note(`and ${left.toLocaleString('en')} more`))]
  return [line(label(title)), { type: 'rich_text_list', style: 'bullet', elements: [...shown, ...rest] }]
}
