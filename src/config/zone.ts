/** A time zone as people write it. */
import { text } from './fields.ts'
import { say } from './problems.ts'

export function zone() {
  return text('Europe/Berlin').refine(isZone, {
    error: say('is not a time zone', 'Write a name of the IANA time zone database, like Europe/Berlin or UTC.'),
  })
}

/** An offset such as `+01:00`, which Intl takes too, knows no summer time. */
function isZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
