/**
 * How much work one decision's conditions may do. The arguments are the agent's, so without a limit a list of a
 * million entries in a nested `all()`, or a text searched for another text, keeps the gateway busy for minutes
 * (measured: one `contains` with both texts chosen badly took 149 s).
 *
 * Counted, not timed: the same call then gets the same decision on every machine, however busy.
 */

/**
 * One unit: one entry of a list or map visited, or TEXT_CHARS_PER_UNIT characters read; 0.2 to 1 µs. So that the worst
 * call keeps others waiting for less than 0.1 s, and an honest one has 50,000 entries or 3 MB of text to be read.
 */
export const WORK_UNITS_MAX = 50_000
export const TEXT_CHARS_PER_UNIT = 64

export class WorkLimitError extends Error {
  override readonly name = 'WorkLimitError'
  constructor() {
    super('the condition has too much to do with these arguments')
  }
}

export class Work {
  #left = WORK_UNITS_MAX
  exceeded = false

  /** Throws once nothing is left. CEL's `||` may swallow that, so whoever evaluates also asks `exceeded`. */
  spend(units: number): void {
    this.#left -= units
    if (this.#left >= 0) return
    this.exceeded = true
    throw new WorkLimitError()
  }

  /** `factor`: how many times each character may be looked at. */
  read(text: string, factor = 1): void {
    this.spend(Math.ceil((text.length * factor) / TEXT_CHARS_PER_UNIT))
  }
}
