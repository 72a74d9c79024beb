/** What a held connection is told, tick by tick. */
import type { ServerResponse } from 'node:http'
import { afterEach, expect, it, vi } from 'vitest'
import { createWaitingRoom } from '../../proxy/mcp/waiting.ts'
import { anApproval } from '../support/examples.ts'

const TICK_MS = 10_000
afterEach(() => {
  vi.useRealTimers()
})

it('tells of waiting for a person only until the call goes to the MCP server, and nothing once it has left', () => {
  vi.useFakeTimers()
  const room = createWaitingRoom()
  const written: string[] = []
  const response = {
    writableNeedDrain: false,
    writeHead: () => undefined,
    setTimeout: () => undefined,
    write: (text: string) => void written.push(text),
  } as unknown as ServerResponse
  const heard = () => written.splice(0).join('')

  room.enter(response, anApproval(), 'tok')
  expect(heard()).toContain('"progress":1')
  vi.advanceTimersByTime(TICK_MS)
  expect(heard()).toContain('"progress":2,"message":"Waiting for a person')
  room.forwarded(response)
  vi.advanceTimersByTime(TICK_MS)
  expect(heard(), 'a comment: the progress is now the server’s own').toBe(': waiting for the MCP server\n\n')
  room.leave(response)
  vi.advanceTimersByTime(TICK_MS)
  expect(heard()).toBe('')
  room.close()
})
