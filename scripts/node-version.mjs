/**
 * Which Node runs this. Older than 20.19 can't load what we depend on (`require` of ES modules came with it); a line
 * past its end of life still works, but gets no security fixes, and a gateway should not run on it.
 */

/** https://github.com/nodejs/Release: a line gets no fixes from this day on. Unlisted lines are newer than this table. */
const endOfLife = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
}

export function requireNode(version = process.versions.node, today = new Date()) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(
      `Countersign needs Node 20.19 or later; this is ${version}. Node 24 is a good choice: https://nodejs.org`,
    )
    process.exit(1)
  }
  const end = endOfLife[major]
  if (end !== undefined && today >= new Date(end)) {
    console.error(`Node ${major} has had no security fixes since ${end}. It works for a try; run a service on Node 24.`)
  }
}
