/**
 * Lends the static credential of an upstream's settings. It is the same for every call, so there is nothing to take
 * back at the upstream; the lease still ends with its call, because kinds that expire will.
 */
import type { Broker, Lease } from '../../src/credential/lease.ts'
import { Secret } from '../../src/secret.ts'

export type StaticCredential = HeaderCredential | EnvironmentCredential

export interface HeaderCredential {
  readonly kind: 'static'
  /** Header that carries it, for instance `Authorization`. */
  readonly header: string
  /** Put before the secret with a space, for instance `Bearer`; null for the bare secret. */
  readonly scheme: string | null
  readonly secret: Secret
}

export interface EnvironmentCredential {
  readonly kind: 'static'
  /** Variable that holds it, in the environment of an upstream that is started. */
  readonly env: string
  readonly secret: Secret
}

/** @param credentials by upstream; an upstream without one gets an empty lease */
export function createStaticBroker(credentials: ReadonlyMap<string, StaticCredential>): Broker {
  const leases = new Map<string, Lease>()
  for (const [upstream, credential] of credentials) leases.set(upstream, leaseOf(credential))
  return { lend: (upstream) => leases.get(upstream) ?? NO_CREDENTIAL }
}

function leaseOf(credential: StaticCredential): Lease {
  const { secret } = credential
  const common = { kind: 'static', secrets: [secret], release: nothing }
  if ('env' in credential) return { ...common, headers: new Map(), environment: new Map([[credential.env, secret]]) }
  const { header, scheme } = credential
  const value = scheme === null ? secret : new Secret(`${scheme} ${secret.reveal()}`)
  return { ...common, headers: new Map([[header.toLowerCase(), value]]) }
}

const NO_CREDENTIAL: Lease = { kind: 'none', headers: new Map(), secrets: [], release: nothing }

function nothing(): void {}
