/** What the masking stage knows of a secret: a name, the words that give it away, and a proof at the place of a word. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface Detector {
  /** Kebab-case; in the replacement `[masked:<name>]`, in findings and in summaries. */
  readonly name: string
  /**
   * Lower-case ASCII; found in any case. each `0` stands for any digit. Every secret of this detector contains
   * at least one of them: text without any is never looked at again.
   */
  readonly keywords: readonly string[]
  /** Set where the keywords also name fields: JSON inside a text is then worth parsing for its keys. */
  readonly namesFields?: true
  /**
   * Proves or refuses a keyword that stands at [start, end).
   *
   * Must either fail within a bounded number of characters or consume what it read: this is what keeps the whole
   * scan linear however an attacker repeats the keyword. test/bypass/masking-time.test.ts holds every detector to it.
   */
  verify(text: string, start: number, end: number): Span | null
}

/** A proof by one sticky pattern that begins at the keyword. `tail`: only the last so many characters are secret. */
export function byPattern(name: string, keywords: readonly string[], pattern: RegExp, tail?: number): Detector {
  const sticky = new RegExp(pattern.source, `${pattern.flags}y`)
  return {
    name,
    keywords,
    verify(text, start) {
      sticky.lastIndex = start
      if (!sticky.test(text)) return null
      const end = sticky.lastIndex
      return { start: tail === undefined ? start : end - tail, end }
    },
  }
}
