/** Titled lists of short rows, in as many bytes as a message has for them. */
import { jsonBytes } from '../chat/clip.ts'
import { type FittedSection, fittingSections, type Section } from '../chat/sections.ts'
import type { CardElement } from './card-elements.ts'
import { SECTIONS_BYTES_MAX } from './limits.ts'
import { label, line, nextLine, note, quoted } from './text.ts'

export function sectionElements(sections: readonly Section[]): CardElement[] {
  const elements = fittingSections(
    sections,
    (fitted): CardElement[] => fitted.flatMap(elementsOf),
    (painted) => jsonBytes(painted) <= SECTIONS_BYTES_MAX,
  )
  return elements ?? []
}

/** A list in Markdown would format its rows: so the bullets are ours. */
function elementsOf({ title, rows, rest }: FittedSection): CardElement[] {
  const last = rest === null ? [] : [nextLine(note(`• ${rest}`))]
  return [line(label(title)), ...rows.map((row) => nextLine(note('• '), quoted(row))), ...last]
}
