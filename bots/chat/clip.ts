/**
 * Texts cut to a size. What a chat takes is counted in bytes of JSON, and what is beyond is refused with the whole card:
 * so every text is cut before, between characters, and the cut is shown.
 */

export interface Clipped {
  readonly text: string
  /** UTF-16 units that are not in `text`. */
  readonly hidden: number
}

/** Cuts between code points, so that the JSON of the text takes at most `bytesMax` bytes. Reads no further than that. */
export function clip(text: string, bytesMax: number): Clipped {
  let bytes = 0
  let end = 0
  while (end < text.length) {
    const codePoint = text.codePointAt(end) ?? 0
    bytes += jsonBytesOf(codePoint)
    if (bytes > bytesMax) break
    end += codePoint > 0xffff ? 2 : 1
  }
  return { text: text.slice(0, end), hidden: text.length - end }
}

/** UTF-8 bytes of one code point inside a JSON string as JSON.stringify writes it (ECMA-262, QuoteJSONString). */
function jsonBytesOf(codePoint: number): number {
  if (codePoint === 0x22 || codePoint === 0x5c) return 2
  if (codePoint < 0x20) return [0x08, 0x09, 0x0a, 0x0c, 0x0d].includes(codePoint) ? 2 : 6
  if (codePoint < 0x80) return 1
  if (codePoint < 0x800) return 2
  if (codePoint > 0xffff) return 4
  return codePoint >= 0xd800 && codePoint <= 0xdfff ? 6 : 3
}

/** For one-liners, where an ellipsis says enough. */
export function clipped(text: string, bytesMax: number): string {
  const { text: head, hidden } = clip(text, bytesMax - 3)
  return hidden === 0 ? head : `${head}…`
}

/** As it is sent: UTF-8 bytes of the JSON. A string's two quotes count. */
export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

export function count(number: number, thing: string): string {
  return `${number.toLocaleString('en')} ${thing}${number === 1 ? '' : 's'}`
}
