/** Durations as people read them on cards and buttons, in summaries and from commands. */
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

/** `4 m 12 s`: the two largest units. */
export function spanInWords(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const [d, h, m, s] = [seconds / 86_400, (seconds / 3_600) % 24, (seconds / 60) % 60, seconds % 60].map(Math.floor)
  const units = [`${d} d`, `${h} h`, `${m} m`, `${s} s`]
  const first = [d, h, m].findIndex((count) => count !== 0)
  return units.slice(first === -1 ? 3 : first, first === -1 ? 4 : first + 2).join(' ')
}
