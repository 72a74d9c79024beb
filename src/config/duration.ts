/**
 * `90s`, `15m`, `2h` → milliseconds. One unit, whole numbers: `1.5h` and `1h30m` are two ways too many to read wrong.
 * A bare number is refused, because nobody can tell its unit.
 */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export interface DurationBounds {
  readonly minMs: number
  readonly maxMs: number
}

export type ParsedDuration =
  | { readonly ok: true; readonly ms: number }
  | { readonly ok: false; readonly message: string; readonly cure: string }

export function parseDuration(text: string, bounds: DurationBounds): ParsedDuration {
  const parts = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim())
  const between = `between ${formatDuration(bounds.minMs)} and ${formatDuration(bounds.maxMs)}`
  if (!parts) return { ok: false, message: 'not a duration', cure: `Write one like 90s, 15m or 2h, ${between}.` }
  const ms = Number(parts[1]) * (UNIT_MS[parts[2] as string] as number)
  if (ms >= bounds.minMs && ms <= bounds.maxMs) return { ok: true, ms }
  return { ok: false, message: `too ${ms < bounds.minMs ? 'short' : 'long'}`, cure: `Choose a duration ${between}.` }
}

/** The largest unit that divides it: 900000 → `15m`. */
export function formatDuration(ms: number): string {
  const unit =
    ['d', 'h', 'm', 's'].find((name) => ms >= (UNIT_MS[name] as number) && ms % (UNIT_MS[name] as number) === 0) ?? 'ms'
  return `${ms / (UNIT_MS[unit] as number)}${unit}`
}
