/**
 * JSON Web Tokens in compact form (RFC 7519 §3; RFC 7515 §7.1 signed: three parts, RFC 7516 §7.1 encrypted: five).
 *
 * Both start from a place that occurs once a part, so that parts are read a bounded number of times: a signed token
 * from the dot before its claims (an object in base64url starts with `eyJ`), backwards to its header; an encrypted one
 * from its header where no base64url character stands before it.
 */
import type { Detector, Span } from './detector.ts'

const PART = /[\w-]*/y
/** Characters of a header that are decoded. A header names an algorithm and a key; 4 KiB hold it with a certificate. */
const HEADER_MAX = 4_096
/** Places within one run of characters where a header may start. */
const HEADER_TRIES = 8

export const SIGNED_JWT: Detector = {
  name: 'jwt',
  keywords: ['.eyj'],
  verify(text, dot) {
    if (text.slice(dot, dot + 4) !== '.eyJ') return null
    const start = headerBefore(text, dot)
    if (start < 0) return null
    const second = endOfPart(text, dot + 1)
    if (text[second] !== '.') return null
    return { start, end: endOfPart(text, second + 1) }
  },
}

export const ENCRYPTED_JWT: Detector = {
  name: 'jwt',
  keywords: ['eyj'],
  verify(text, start): Span | null {
    if (start > 0 && isPartCharacter(text.charCodeAt(start - 1))) return null
    let end = endOfPart(text, start)
    if (!isHeader(text.slice(start, end))) return null
    for (let part = 2; part <= 5; part++) {
      if (text[end] !== '.') return null
      end = endOfPart(text, end + 1)
    }
    return { start, end }
  },
}

function endOfPart(text: string, from: number): number {
  PART.lastIndex = from
  PART.test(text)
  return PART.lastIndex
}

function headerBefore(text: string, dot: number): number {
  let first = dot
  while (first > 0 && dot - first < HEADER_MAX && isPartCharacter(text.charCodeAt(first - 1))) first--
  const run = text.slice(first, dot)
  let at = run.indexOf('eyJ')
  for (let tries = 0; at >= 0 && tries < HEADER_TRIES; tries++) {
    if (isHeader(run.slice(at))) return first + at
    at = run.indexOf('eyJ', at + 1)
  }
  return -1
}

function isPartCharacter(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    code === 0x2d ||
    code === 0x5f
  )
}

/**
 * RFC 7515 §4.1.1: `alg` must be there. Not parsed: a text of a hundred thousand false headers would cost as many
 * exceptions.
 */
function isHeader(part: string): boolean {
  if (part.length > HEADER_MAX) return false
  const header = Buffer.from(part, 'base64url').toString('utf8').trimEnd()
  return header.startsWith('{') && header.endsWith('}') && /"alg"\s{0,8}:\s{0,8}"[\w+-]{1,64}"/.test(header)
}
