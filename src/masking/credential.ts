/**
 * The exact credential that the broker lent, wherever an upstream may put it: as such, in base64 (alone or within a
 * longer text, as in `Basic` and in encoded bodies), in hexadecimal. URL and JSON escapes are undone before the search
 * (unfold.ts), so they need no forms of their own.
 */
import type { Secret } from '../secret.ts'
import type { Span } from './detector.ts'

export const CREDENTIAL = 'credential'

/** Below it a secret is also a word or a number: masked only where it stands alone. */
const STANDALONE_MAX = 3
/** Below it the part of a base64 text that the secret alone decides is so short that it is everywhere. */
const ENCODED_MIN = 6

export interface Form {
  readonly text: string
  readonly kind: 'raw' | 'standalone' | 'base64'
}

const cache = new WeakMap<Secret, readonly Form[]>()

export function formsOf(secrets: readonly Secret[]): readonly Form[] {
  if (secrets.length === 1) return forms(secrets[0] as Secret)
  return secrets.flatMap(forms)
}

function forms(secret: Secret): readonly Form[] {
  const known = cache.get(secret) ?? makeForms(secret.reveal())
  cache.set(secret, known)
  return known
}

function makeForms(value: string): Form[] {
  if (value === '') return []
  if (value.length <= STANDALONE_MAX) return [{ text: value, kind: 'standalone' }]
  const raw = [value]
  // application/x-www-form-urlencoded writes a space as "+", which no escape gives away.
  if (value.includes(' ')) raw.push(value.replaceAll(' ', '+'))
  const bytes = Buffer.from(value, 'utf8')
  const base64: string[] = []
  if (bytes.length >= ENCODED_MIN) {
    const hex = bytes.toString('hex')
    raw.push(hex, hex.toUpperCase())
    for (let shift = 0; shift < 3; shift++) base64.push(...alignedBase64(bytes, shift))
  }
  return [
    ...[...new Set(raw)].map((text): Form => ({ text, kind: 'raw' })),
    ...[...new Set(base64)].map((text): Form => ({ text, kind: 'base64' })),
  ]
}

/** RFC 4648 §4, §5: the characters that the secret alone decides when `shift` bytes stand before it in its group. */
function alignedBase64(bytes: Buffer, shift: number): [string, string] {
  const padded = Buffer.concat([Buffer.alloc(shift), bytes])
  const first = Math.ceil((shift * 8) / 6)
  const last = Math.floor((padded.length * 8) / 6)
  const text = padded.toString('base64').slice(first, last)
  return [text, text.replaceAll('+', '-').replaceAll('/', '_')]
}

/** For short texts that are dropped whole: header values, ids. */
export function holdsCredential(text: string, secrets: readonly Secret[]): boolean {
  let found = false
  findForms(text, formsOf(secrets), () => {
    found = true
  })
  return found
}

/** Every place of the forms in a text. Linear: native searches, each from where the last hit ended. */
export function findForms(text: string, forms: readonly Form[], found: (span: Span) => void): void {
  for (const form of forms) {
    if (form.text.length > text.length) continue
    let at = text.indexOf(form.text)
    while (at >= 0) {
      const span = spanOf(text, form, at)
      if (span) found(span)
      at = text.indexOf(form.text, span ? span.end : at + 1)
    }
  }
}

function spanOf(text: string, form: Form, at: number): Span | null {
  const end = at + form.text.length
  switch (form.kind) {
    case 'raw':
      return { start: at, end }
    case 'standalone':
      return isWord(text, at - 1) || isWord(text, end) ? null : { start: at, end }
    case 'base64':
      return { start: edge(text, at, -1), end: edge(text, end, 1) }
  }
}

function isWord(text: string, at: number): boolean {
  return /\w/.test(text[at] ?? '')
}

/**
 * The characters beside a base64 form still hold bits of the secret's first and last byte: two on each side at most,
 * and the padding.
 */
function edge(text: string, from: number, step: 1 | -1): number {
  let at = from
  for (let moved = 0; moved < 4; moved++) {
    if (!/[\w+/=-]/.test(text[step < 0 ? at - 1 : at] ?? '')) break
    at += step
  }
  return at
}
