/** What the handlers of all step-up pages share. */
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import type { SignInSettings } from '../../src/config/settings.ts'
import type { ApprovalStore, Clock, Log, Passkeys, Recorder, Reviews, StepUps } from '../../src/ports.ts'
import type { Site } from './pages.ts'
import type { PasskeyChecks } from './passkey-checks.ts'
import type { Rate } from './rate.ts'
import type { Refuse } from './refusal.ts'
import type { SignInClient } from './sign-in.ts'
import { SECRET_BYTES, type Visits } from './visits.ts'

/** A passkey's assertion is under 2 KB, a registration with a certificate chain under 10. */
export const FORM_BYTES_MAX = 32_768

export interface StepUpOptions {
  readonly publicUrl: string
  /** Not empty. */
  readonly signIns: readonly SignInSettings[]
  readonly passkeysWanted: 'off' | 'optional' | 'required'
  readonly approvals: Pick<ApprovalStore, 'get'>
  readonly reviews: Pick<Reviews, 'submit'>
  readonly stepUps: StepUps
  readonly passkeys: Passkeys
  readonly recorder: Recorder
  readonly cardOf: (approval: Approval) => Card
  readonly clock: Clock
  /** Cryptographic randomness: `node:crypto`’s randomBytes. */
  readonly random: (bytes: number) => Uint8Array
  readonly log: Log
}

/** What every page's handler has. */
export interface Desk extends StepUpOptions {
  readonly site: Site
  readonly refuse: Refuse
  readonly visits: Visits
  readonly rate: Rate
  readonly clients: readonly SignInClient[]
  /** Null where the settings want none. */
  readonly checks: () => Promise<PasskeyChecks> | null
}

export function newNonce({ random }: Pick<Desk, 'random'>): string {
  return Buffer.from(random(SECRET_BYTES)).toString('base64url')
}
