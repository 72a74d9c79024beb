/**
 * Remembers what a directory answered, for as long as each asker allows, and asks it once for all who ask at once: a
 * directory answers some twenty questions a minute (Slack's tier 2), and fifty calls may wait for one reviewer.
 *
 * An answer is as old as its question, not as its arrival: whoever was removed in between may still be in it. So who
 * wants it new (`maxAgeMs: 0`) never joins a question that is under way; all who want it meanwhile share the next one.
 *
 * Whoever loses patience is told so, while the question goes on: the next to ask finds its answer.
 */
import type { EpochMs } from '../brands.ts'
import type { Clock } from '../ports.ts'

interface Asked<Answer> {
  readonly at: EpochMs
  readonly answer: Promise<Answer>
}

interface Entry<Answer> {
  /** The last one that was answered. */
  known: { readonly at: EpochMs; readonly answer: Answer } | null
  running: Asked<Answer> | null
  /** Put as soon as `running` is over. */
  next: Promise<Answer> | null
}

export interface LookUpsOptions<Answer> {
  /** Has a deadline of its own. */
  readonly ask: (key: string) => Promise<Answer>
  /** How many answers are kept; those that were asked for least lately go first. */
  readonly max: number
  readonly clock: Clock
}

export class LookUps<Answer> {
  readonly #options: LookUpsOptions<Answer>
  /** In order of use: a Map keeps the order in which keys were set. */
  readonly #entries = new Map<string, Entry<Answer>>()

  constructor(options: LookUpsOptions<Answer>) {
    this.#options = options
  }

  /** Rejects with what the directory rejected with, or with the signal's reason. */
  async get(key: string, asker: { readonly maxAgeMs: number; readonly patience: AbortSignal }): Promise<Answer> {
    const entry = this.#entry(key)
    const isNewEnough = (at: EpochMs) => {
      const ageMs = this.#options.clock.now() - at
      // Negative where the clock was set back: nobody knows how old it is.
      return ageMs >= 0 && ageMs < asker.maxAgeMs
    }
    if (entry.known !== null && isNewEnough(entry.known.at)) return entry.known.answer
    if (entry.running === null) return within(this.#ask(key, entry), asker.patience)
    if (isNewEnough(entry.running.at)) return within(entry.running.answer, asker.patience)
    entry.next ??= this.#askNext(key, entry, entry.running.answer)
    return within(entry.next, asker.patience)
  }

  #entry(key: string): Entry<Answer> {
    const entry: Entry<Answer> = this.#entries.get(key) ?? { known: null, running: null, next: null }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size > this.#options.max) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    return entry
  }

  async #askNext(key: string, entry: Entry<Answer>, before: Promise<Answer>): Promise<Answer> {
    await before.catch(() => undefined)
    entry.next = null
    return this.#ask(key, entry)
  }

  #ask(key: string, entry: Entry<Answer>): Promise<Answer> {
    const at = this.#options.clock.now()
    const answer = this.#options.ask(key).then(
      (known) => {
        entry.known = { at, answer: known }
        entry.running = null
        return known
      },
      (error: unknown) => {
        entry.running = null
        throw error
      },
    )
    entry.running = { at, answer }
    return answer
  }
}

async function within<Answer>(answer: Promise<Answer>, patience: AbortSignal): Promise<Answer> {
  patience.throwIfAborted()
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(patience.reason)
    patience.addEventListener('abort', giveUp, { once: true })
    answer.then(resolve, reject).finally(() => patience.removeEventListener('abort', giveUp))
  })
}
