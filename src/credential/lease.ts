/**
 * A credential lent for one call, under a grant or under an allowing rule. The broker lends it, the forwarder
 * writes it into the upstream request, and it is returned when the upstream has answered. The agent never sees it.
 */
import type { Secret } from '../secret.ts'

export interface Lease {
  /** `static` and, later, kinds that expire. For the recording. */
  readonly kind: string
  /** Headers to set on the upstream request, lower-case names. */
  readonly headers: ReadonlyMap<string, Secret>
  /** Variables for a process that is started under it, for upstreams that are a command; left out where there are none. */
  readonly environment?: ReadonlyMap<string, Secret>
  /** What masking must find in answers whatever shape it comes back in. */
  readonly secrets: readonly Secret[]
  /** Takes it back. Never throws; idempotent. */
  release(): void
}

export interface Broker {
  /** Rejects with a GatewayError; null where the upstream needs no credential. */
  lend(upstream: string): Lease | Promise<Lease>
}
