/** What a held connection is told, tick by tick. */
import { afterEach, expect, it, vi } from 'vitest'
import type { Outlet } from '../../proxy/mcp/outlet.ts'
import { createWaitingRoom } from '../../proxy/mcp/waiting.ts'
import { epochMs } from '../../src/brands.ts'
import { anApproval } from '../support/examples.ts'

const TICK_MS = 10_000
afterEach(() => {
  vi.useRealTimers()
})

const outletOf = (written: string[]): Outlet => ({
  takesStream: true,
  hasBegun: true,
  isGone: false,
  isFull: false,
  begin: () => undefined,
  event: ({ data }) => void written.push(data),
  comment: (text) => void written.push(text),
  whole: () => undefined,
  end: () => undefined,
  whenSent: () => undefined,
  pieces: null,
})

it('tells of waiting for a person only until the call goes to the MCP server, and nothing once it has left', () => {
  vi.useFakeTimers()
  const room = createWaitingRoom({ now: () => epochMs(Date.now()) })
  const written: string[] = []
  const outlet = outletOf(written)
  const heard = () => written.splice(0).join('')

  const approval = anApproval()
  vi.setSystemTime(approval.requestedAt)
  room.enter(outlet, approval, 'tok')
  expect(heard()).toContain('"progress":1')
  vi.advanceTimersByTime(TICK_MS)
  expect(heard()).toContain('"progress":10,"message":"Waiting for a person')
  room.forwarded(outlet)
  vi.advanceTimersByTime(TICK_MS)
  expect(heard(), 'a comment: the progress is now the server’s own').toBe('waiting for the MCP server')
  room.leave(outlet)
  vi.advanceTimersByTime(TICK_MS)
  expect(heard()).toBe('')
  room.close()
})

it('keeps a stream of the MCP server’s alive with comments alone', () => {
  vi.useFakeTimers()
  const room = createWaitingRoom({ now: () => epochMs(Date.now()) })
  const written: string[] = []
  room.streams(outletOf(written))
  expect(written).toEqual([])
  vi.advanceTimersByTime(2 * TICK_MS)
  expect(written).toEqual(['waiting for the MCP server', 'waiting for the MCP server'])
  room.close()
})
