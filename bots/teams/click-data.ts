/** What comes along with a click: anyone may have written any of it, of any type, and left any of it out. */
import type { JsonObject } from '../../src/json/value.ts'
import { fromInput } from './text.ts'

export function textIn(data: JsonObject, key: string): string | null {
  const value = valueIn(data, key)
  return typeof value === 'string' ? value : null
}

/** NaN where it is no number. */
export function numberIn(data: JsonObject, key: string): number {
  const value = valueIn(data, key)
  return typeof value === 'number' ? value : Number.NaN
}

/** What a person wrote. */
export function inputIn(data: JsonObject, key: string): string | null {
  const text = textIn(data, key)
  return text === null ? null : fromInput(text)
}

export function valueIn(data: JsonObject, key: string): JsonObject[string] | undefined {
  return Object.hasOwn(data, key) ? data[key] : undefined
}
