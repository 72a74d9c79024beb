/** Every detector, the most telling name first: where two find the same place, the first one names it. */
import { ASSIGNMENT, AUTHORIZATION, URL_PASSWORD } from './assignment.ts'
import type { Detector } from './detector.ts'
import { ENCRYPTED_JWT, SIGNED_JWT } from './jwt.ts'
import { PAYMENT_CARD } from './payment-card.ts'
import { PRIVATE_KEY } from './private-key.ts'
import { VENDOR_TOKENS } from './vendor-tokens.ts'

export const DETECTORS: readonly Detector[] = [
  PRIVATE_KEY,
  ...VENDOR_TOKENS,
  SIGNED_JWT,
  ENCRYPTED_JWT,
  URL_PASSWORD,
  AUTHORIZATION,
  ASSIGNMENT,
  PAYMENT_CARD,
]
