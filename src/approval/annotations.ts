/**
 * What a tool's server says of it, as it was listed when people were asked. MCP (2025-11-25, ToolAnnotations): hints,
 * from a server that need not be honest. So they may add to a worry on the card and never take one away.
 */
import { isObject, type JsonObject } from '../json/value.ts'

export interface ToolAnnotations {
  /** Null where the server doesn't say. */
  readonly readOnly: boolean | null
  readonly destructive: boolean | null
  readonly openWorld: boolean | null
}

/** Null where the tool's definition isn't known. */
export function annotationsOf(definition: JsonObject | null): ToolAnnotations | null {
  if (definition === null) return null
  const { annotations } = definition
  const hints = isObject(annotations) ? annotations : {}
  return {
    readOnly: hint(hints, 'readOnlyHint'),
    destructive: hint(hints, 'destructiveHint'),
    openWorld: hint(hints, 'openWorldHint'),
  }
}

function hint(hints: JsonObject, name: string): boolean | null {
  const value = Object.hasOwn(hints, name) ? hints[name] : null
  return typeof value === 'boolean' ? value : null
}
