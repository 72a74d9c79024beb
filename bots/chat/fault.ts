/** What to do about a fault, for the person who waits; what it was stays in the log. */
import { GatewayError } from '../../src/errors.ts'

export function cureOf(error: unknown): string {
  return error instanceof GatewayError ? error.cure : 'The gateway’s log has the details.'
}
