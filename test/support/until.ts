/** Waits for a condition instead of for a time: fails with its sentence when the deadline passes. */
import { setTimeout as pause } from 'node:timers/promises'

export async function until<T>(
  sentence: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${sentence}`)
    await pause(20)
  }
}
