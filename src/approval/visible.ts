/**
 * Makes what cannot be seen visible, before a person decides by looking at it.
 *
 * Text from an agent can hold characters that reorder their neighbours, have no width, or look like a space and are
 * none ("Trojan Source", CVE-2021-42574; Unicode UTS #55 §3). They are shown as `⟨U+202E⟩` and not dropped: dropping
 * them would show a text that is not the one to be sent. That costs some noise where they are honest (emoji with
 * joiners, Persian): on a card, noise is the smaller harm.
 *
 * The opening bracket U+27E8 is shown the same way, so that no text can pretend to hold an escape.
 */
import type { Untrusted } from './card.ts'

/**
 * Cc C0 and C1 controls; Cf bidirectional controls, zero-width ones, tag characters; Cs lone surrogates (the `u` flag
 * pairs the others); Co private use; Zl, Zp line separators; Default_Ignorable fillers and variation selectors; Zs and
 * U+2800 blanks other than U+0020.
 */
const INVISIBLE =
  /(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Zs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\u27E8]/gu

/** For names and other texts of one line: a line break or a tab is shown as an escape too. */
export function visible(text: string): Untrusted {
  return text.replace(INVISIBLE, escaped) as Untrusted
}

/** For values, where line breaks and tabs are part of the content. A lone carriage return is not: it overprints. */
export function visibleLines(text: string): Untrusted {
  return text.replace(INVISIBLE, (character) =>
    character === '\n' || character === '\t' ? character : escaped(character),
  ) as Untrusted
}

function escaped(character: string): string {
  const codePoint = character.codePointAt(0) ?? 0
  return `⟨U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}⟩`
}
