/** Durations as people read them on cards and buttons. */
const UNITS = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1_000, 'second'],
] as const

/** In the largest unit that says it exactly; never more than it is. */
export function inWords(ms: number): string {
  const [unitMs, unit] = UNITS.find(([size]) => ms >= size && ms % size === 0) ?? UNITS[3]
  const number = Math.floor(ms / unitMs)
  return `${number.toLocaleString('en')} ${unit}${number === 1 ? '' : 's'}`
}
