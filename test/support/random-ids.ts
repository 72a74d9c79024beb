import { randomBytes } from 'node:crypto'
import type { Ids } from '../../src/ports.ts'

export const randomIds: Ids = { next: (prefix) => `${prefix}_${randomBytes(16).toString('hex')}` }
