/**
 * One text for one value (RFC 8785, JCS): members sorted by UTF-16 code units, numbers as ECMAScript prints them, no
 * white space. What the fingerprint covers and what the card shows, so that key order and spacing cannot make two
 * calls out of one, or one out of two.
 */
import canonicalize from 'canonicalize'
import type { JsonValue } from './value.ts'

/**
 * Throws on what has no canonical form: lone surrogates (RFC 8785 §3.2.2.2: the reader must stop with an error; the
 * package would escape them), NaN and the infinities. The strict reader lets none of them in.
 */
export function canonicalJson(value: JsonValue): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  // Well-formed text never has an escape above \u001f (RFC 8785 §3.2.2.2), so these four characters are the only sign.
  if (text.includes('\\ud') && hasLoneSurrogate(value)) throw new TypeError('a lone surrogate has no canonical form')
  return text
}

/** With the `u` flag this class matches unpaired halves only. */
const LONE_SURROGATE = /\p{Surrogate}/u

function hasLoneSurrogate(value: JsonValue): boolean {
  if (typeof value === 'string') return LONE_SURROGATE.test(value)
  if (Array.isArray(value)) return value.some(hasLoneSurrogate)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, member]) => LONE_SURROGATE.test(key) || hasLoneSurrogate(member))
}
