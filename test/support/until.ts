/**
 * Waits for a condition instead of for a time: fails with its sentence when the deadline passes. A look that throws is
 * one that did not see it yet; the last error is told at the end.
 */
import { setTimeout as pause } from 'node:timers/promises'

export async function until<T>(
  sentence: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let cause: unknown
  for (;;) {
    try {
      const found = await look()
      if (found) return found
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${sentence}`, { cause })
    await pause(20)
  }
}
