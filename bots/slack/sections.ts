/** Titled lists of short rows in Block Kit, in as many bytes as a message has for them. */
import type { types } from '@slack/bolt'
import { type FittedSection, fittingSections, type Section } from '../chat/sections.ts'
import { SECTIONS_BYTES_MAX } from './limits.ts'
import { jsonBytes, label, line, note, quoted } from './text.ts'

type Elements = (types.RichTextSection | types.RichTextList)[]

/** Null: no rows. */
export function sectionsBlock(sections: readonly Section[]): types.RichTextBlock | null {
  const elements = fittingSections(
    sections,
    (fitted): Elements => fitted.flatMap(elementsOf),
    (painted) => jsonBytes(painted) <= SECTIONS_BYTES_MAX,
  )
  return elements === null ? null : { type: 'rich_text', elements }
}

function elementsOf({ title, rows, rest }: FittedSection): Elements {
  const shown = rows.map((row) => line(quoted(row)))
  const last = rest === null ? [] : [line(note(rest))]
  return [line(label(title)), { type: 'rich_text_list', style: 'bullet', elements: [...shown, ...last] }]
}
