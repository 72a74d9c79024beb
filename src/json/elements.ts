/**
 * The elements of a JSON array as the slices of its own bytes: what is judged one by one can then be forwarded one by
 * one, without being written anew.
 */

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** @param bytes a JSON array that strict.ts has accepted: the grammar is not checked again. */
export function elementsOf(bytes: Uint8Array): readonly Uint8Array[] {
  const elements: Uint8Array[] = []
  const open = bytes.indexOf(OPEN_ARRAY)
  let start = open + 1
  let depth = 0
  for (let at = open; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at)
        break
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth++
        break
      case COMMA:
        if (depth === 1) {
          elements.push(trimmed(bytes, start, at))
          start = at + 1
        }
        break
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--
        if (depth > 0) break
        return start === open + 1 && trimmed(bytes, start, at).length === 0
          ? []
          : [...elements, trimmed(bytes, start, at)]
    }
  }
  throw new TypeError('not a JSON array')
}

/** Where its closing quote stands. */
function endOfString(bytes: Uint8Array, open: number): number {
  let at = open + 1
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at
}

function trimmed(bytes: Uint8Array, from: number, to: number): Uint8Array {
  let [start, end] = [from, to]
  while (start < end && isSpace(bytes[start])) start++
  while (end > start && isSpace(bytes[end - 1])) end--
  return bytes.subarray(start, end)
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
