/** Waits for a condition, never for a time: fails with its sentence when the deadline passes. */
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 50
/** Things here take a moment; on a busy machine they may take many. */
const PATIENCE_MS = 30_000

export async function until<T>(
  sentence: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs / 1000} s in vain until ${sentence}.`)
    await pause(POLL_MS)
  }
}

/** A step's own claim. The sentence says what is wrong where it does not hold. */
export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise)
}
