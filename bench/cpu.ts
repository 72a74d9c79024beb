/** How much processor time a process has used, all its threads together. */
import { readFileSync } from 'node:fs'

/** proc(5): `utime` and `stime` are counted in clock ticks, and USER_HZ is 100 on every Linux that Node supports. */
const TICK_US = 10_000

/** Microseconds; null where the system has no /proc. */
export function cpuTimeUs(pid: number): number | null {
  let line: string
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  // The command's name, in parentheses, may hold spaces: fields are counted from behind it, the third one first.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])]
  return (userTicks + systemTicks) * TICK_US
}
