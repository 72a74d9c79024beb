/** As jobs/readings keeps them, in memory. */
import type { Readings } from '../../src/ports.ts'

export function memoryReadings(): Readings {
  const seen = new Map<string, { pages: number; read: Set<number> }>()
  return {
    async seen({ approvalId, reviewerId, page, pages }) {
      const key = `${approvalId} ${reviewerId}`
      const reading = seen.get(key) ?? { pages, read: new Set<number>() }
      reading.read.add(page)
      seen.set(key, reading)
    },
    async hasSeenAll(approvalId, reviewerId) {
      const reading = seen.get(`${approvalId} ${reviewerId}`)
      return reading !== undefined && reading.read.size === reading.pages
    },
  }
}
