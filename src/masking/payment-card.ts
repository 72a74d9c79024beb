/**
 * Payment card numbers: the issuer's prefix and length (ISO/IEC 7812-1), then the check digit by Luhn's rule. All three
 * are asked for, because one number in ten satisfies Luhn alone and order numbers are digits too.
 */
import type { Detector } from './detector.ts'

const ISSUERS: readonly { readonly prefix: RegExp; readonly lengths: readonly number[] }[] = [
  { prefix: /^4/, lengths: [16, 13, 19] }, // Visa
  { prefix: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] }, // Mastercard
  { prefix: /^3[47]/, lengths: [15] }, // American Express
  { prefix: /^(?:6011|64[4-9]|65)/, lengths: [16, 19] }, // Discover
  { prefix: /^(?:36|38|39|30[0-5])/, lengths: [14, 16] }, // Diners Club
  { prefix: /^35(?:2[89]|[3-8])/, lengths: [16] }, // JCB
  { prefix: /^62/, lengths: [16, 17, 18, 19] }, // UnionPay
]
const DIGITS_MAX = 19

export const PAYMENT_CARD: Detector = {
  name: 'payment-card',
  // As written in groups of four, or four and six, or without any: a year alone is no reason to look.
  keywords: ['00000000', '0000-0000', '0000 0000'],
  verify(text, start) {
    // A run of digits is tried once, at its start; behind a decimal point it is a fraction.
    if (start > 0 && /[\d.]/.test(text[start - 1] as string)) return null
    const places = digitPlaces(text, start)
    const digits = places.map((place) => text[place]).join('')
    for (const { prefix, lengths } of ISSUERS) {
      if (!prefix.test(digits)) continue
      for (const length of lengths) {
        const last = places[length - 1]
        if (last === undefined || isDigit(text.charCodeAt(last + 1))) continue
        if (hasCheckDigit(digits.slice(0, length))) return { start, end: last + 1 }
      }
    }
    return null
  },
}

/** Where the digits stand that follow each other with at most one space or hyphen in between. */
function digitPlaces(text: string, start: number): number[] {
  const places: number[] = []
  let at = start
  while (places.length < DIGITS_MAX) {
    if (isDigit(text.charCodeAt(at))) places.push(at)
    else if (!isSeparator(text.charCodeAt(at)) || !isDigit(text.charCodeAt(at + 1))) break
    at++
  }
  return places
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isSeparator(code: number): boolean {
  return code === 0x20 || code === 0x2d
}

/** ISO/IEC 7812-1 annex B. */
function hasCheckDigit(digits: string): boolean {
  let sum = 0
  for (let place = 0; place < digits.length; place++) {
    const digit = digits.charCodeAt(digits.length - 1 - place) - 0x30
    const doubled = place % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
