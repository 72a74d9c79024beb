/**
 * Secrets that only their surroundings give away: `password=…` in text, an Authorization header, the password in a URL.
 *
 * The first is the one detector that guesses, so it is conservative: a value in quotes, or directly behind `=`, or one
 * that mixes letters and digits; never what is plainly a placeholder, a type, or an expression in code.
 */
import type { Detector, Span } from './detector.ts'

/** Characters of an unquoted value that are judged; an accepted one is then taken to its end. */
const JUDGED_MAX = 256
const QUOTED_MAX = 1_024
const VALUE_MIN = 4
const GUESSED_MIN = 6

const SEPARATOR = /["'`]?[ \t]{0,4}(?:=>|:=|=|:)[ \t]{0,4}/y
const BARE = /[^\s"'`,;&<>(){}[\]|\\]{1,256}/y
const BARE_REST = /[^\s"'`,;&<>(){}[\]|\\]*/y
/** Handles that an agent must send back unchanged: `nextPageToken` and its kin are no secrets. */
const HANDLE = /(?:page|next|continuation|sync|resume|progress|delta|skip|cancellation)[_-]?$/i
const HANDLE_MAX = 14
const MEMBER_EXPRESSION = /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/
const PLACEHOLDER =
  /^(?:\[masked:.*|[<$%{].*|[*x.•-]+|your[_-].*|string|text|number|boolean|true|false|null|nil|none|undefined|required|optional|redacted|hidden|changeme|(?:[a-z]+_)*(?:password|passwd|secret|token|key))$/i

export const ASSIGNMENT: Detector = {
  name: 'assigned-secret',
  keywords: [
    'password',
    'passwd',
    'passphrase',
    'pwd',
    'secret',
    'token',
    'apikey',
    'api_key',
    'api-key',
    'api key',
    'accesskey',
    'access_key',
    'access-key',
    'secretkey',
    'secret_key',
    'secret-key',
    'privatekey',
    'private_key',
    'private-key',
    'private key',
  ],
  namesFields: true,
  verify(text, start, end) {
    SEPARATOR.lastIndex = end
    if (!SEPARATOR.test(text)) return null
    if (HANDLE.test(text.slice(Math.max(0, start - HANDLE_MAX), start))) return null
    const at = SEPARATOR.lastIndex
    const quote = text[at]
    if (quote === '"' || quote === "'" || quote === '`') return quoted(text, at, quote)
    return bare(text, at, text[at - 1] === '=' && at - end === 1)
  },
}

function quoted(text: string, open: number, quote: string): Span | null {
  const limit = Math.min(text.length, open + QUOTED_MAX)
  for (let at = open + 1; at < limit; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '\n') return null
    else if (text[at] === quote) return accept(text, open + 1, at, VALUE_MIN)
  }
  return null
}

/** `tight`: `key=value` as in environment files, query strings and command lines, where any word may be a password. */
function bare(text: string, start: number, tight: boolean): Span | null {
  BARE.lastIndex = start
  if (!BARE.test(text)) return null
  const end = BARE.lastIndex
  const value = text.slice(start, end)
  if (text[end] === '(' || MEMBER_EXPRESSION.test(value)) return null
  if (!tight && !(/\d/.test(value) && /[A-Za-z]/.test(value))) return null
  if (!accept(text, start, end, tight ? VALUE_MIN : GUESSED_MIN)) return null
  return { start, end: value.length < JUDGED_MAX ? end : endOf(BARE_REST, text, end) }
}

function accept(text: string, start: number, end: number, min: number): Span | null {
  if (end - start < min || PLACEHOLDER.test(text.slice(start, end))) return null
  return { start, end }
}

const HEADER = /authorization["'`]?[ \t]{0,4}(?:=>|[:=,])[ \t]{0,4}["'`]?/iy
const SCHEME = /(?:bearer|basic|token|digest|negotiate|apikey|hmac)(?:[ \t]{1,4}|%20)/iy
const CREDENTIALS = /[A-Za-z0-9._~+/=:%-]{1,256}/y
const CREDENTIALS_REST = /[A-Za-z0-9._~+/=:%-]*/y
/** RFC 6750 §2.1. Without the header's name before it, "bearer" is also an English word. */
const BEARER = /bearer(?:[ \t]{1,4}|%20|\+)/iy
const BEARER_MIN = 8
const BEARER_WITHOUT_DIGIT_MIN = 32

export const AUTHORIZATION: Detector = {
  name: 'bearer-header',
  keywords: ['authorization', 'bearer'],
  namesFields: true,
  verify(text, start) {
    HEADER.lastIndex = start
    if (HEADER.test(text)) {
      const at = HEADER.lastIndex
      const scheme = endOf(SCHEME, text, at)
      return scheme > at ? credentials(text, scheme, VALUE_MIN, VALUE_MIN) : credentials(text, at, BEARER_MIN)
    }
    const at = endOf(BEARER, text, start)
    return at > start ? credentials(text, at, BEARER_MIN) : null
  },
}

function credentials(text: string, start: number, min: number, plainMin = BEARER_WITHOUT_DIGIT_MIN): Span | null {
  const judged = endOf(CREDENTIALS, text, start)
  const value = text.slice(start, judged)
  if (value.length < (/\d/.test(value) ? min : plainMin) || PLACEHOLDER.test(value)) return null
  return { start, end: endOf(CREDENTIALS_REST, text, judged) }
}

/** RFC 3986 §3.2.1: `user:password@`; the password alone is masked, so that the reader still sees where it belongs. */
const USER_INFO = /:\/\/[^\s/?#@:"'<>]{0,256}:(?=[^\s/"'<>]{1,256}@)/y
const URL_PASSWORD_VALUE = /[^\s/"'<>]{1,256}(?=@)/y

export const URL_PASSWORD: Detector = {
  name: 'url-password',
  keywords: ['://'],
  verify(text, start) {
    USER_INFO.lastIndex = start
    if (!USER_INFO.test(text)) return null
    const at = USER_INFO.lastIndex
    const end = endOf(URL_PASSWORD_VALUE, text, at)
    return accept(text, at, end, 1)
  },
}

/** Where the match that begins at `from` ends; `from` itself where there is none. */
function endOf(sticky: RegExp, text: string, from: number): number {
  sticky.lastIndex = from
  return sticky.test(text) ? sticky.lastIndex : from
}
