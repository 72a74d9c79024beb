/**
 * Secrets of every kind that masking knows, made up here and put together at run time: no scanner of repositories
 * should take this file for a leak.
 */
const LETTERS = 'kT7vQ2mZx9LpR4cWn8HsB3dYf6JgAeVu1NbKt5CqXyEw0DhSiMoPaGrUl'

/** The same text on every run; letters and digits. */
export function letters(length: number, shift = 0): string {
  return Array.from({ length }, (_, index) => LETTERS[(index * 7 + shift) % LETTERS.length]).join('')
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

export const JWT = [
  base64url({ alg: 'RS256', typ: 'JWT' }),
  base64url({ sub: 'alice', scope: 'all' }),
  letters(86),
].join('.')
export const JWE = [base64url({ alg: 'dir', enc: 'A256GCM' }), '', letters(16), letters(60, 3), letters(22, 5)].join(
  '.',
)
export const GITHUB = `ghp_${letters(36)}`
export const AWS_ID = `AKIA${'Q3EXAMPLEQ3EXAMP'.replace(/3/g, '7')}`
export const AWS_SECRET = `${letters(20)}/${letters(18, 4)}+`

export const PEM = [
  `-----BEGIN ${'RSA'} PRIVATE KEY-----`,
  letters(64),
  letters(64, 3),
  `${letters(30, 5)}==`,
  `-----END ${'RSA'} PRIVATE KEY-----`,
].join('\n')

/** Detector, then a secret that it must find wherever it stands. */
export const SAMPLES: readonly (readonly [string, string])[] = [
  ['aws-access-key-id', AWS_ID],
  ['github-token', GITHUB],
  ['github-token', `gho_${letters(36)}`],
  ['github-token', `ghs_${letters(36)}`],
  ['github-token', `github_pat_${letters(22)}_${letters(59)}`],
  ['gitlab-pat', `glpat-${letters(20)}`],
  ['slack-token', `xoxb-${'1'.repeat(12)}-${letters(24)}`],
  ['slack-token', `xapp-1-A${letters(10)}-${'2'.repeat(13)}-${letters(20)}`],
  ['slack-webhook', `hooks.slack.com/services/T${letters(8)}/B${letters(8)}/${letters(24)}`],
  ['stripe-key', `sk_live_${letters(24)}`],
  ['stripe-key', `rk_test_${letters(24)}`],
  ['stripe-key', `whsec_${letters(32)}`],
  ['google-api-key', `AIza${letters(35)}`],
  ['google-oauth', `ya29.${letters(60)}`],
  ['npm-token', `npm_${letters(36)}`],
  ['anthropic-api-key', `sk-ant-api03-${letters(60)}`],
  ['openai-api-key', `sk-proj-${letters(48)}`],
  ['jwt', JWT],
  ['jwt', JWE],
  ['private-key-pem', PEM],
  ['payment-card', '4111 1111 1111 1111'],
]
