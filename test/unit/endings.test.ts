/** Signals of what may last long must not outlive it. */
import { expect, it } from 'vitest'
import { createEndings } from '../../proxy/mcp/endings.ts'

it('ends what is open when the process stops, and at once what begins after that', () => {
  const stopping = new AbortController()
  const begin = createEndings(stopping.signal)
  const [open, released] = [begin(), begin()]
  released.release()
  stopping.abort('it stops')
  expect(open.signal.reason).toBe('it stops')
  expect(released.signal.aborted).toBe(false)
  expect(begin().signal.reason).toBe('it stops')
})

it('ends one by itself, and no other', () => {
  const begin = createEndings(new AbortController().signal)
  const [one, other] = [begin(), begin()]
  one.abort('its time is up')
  expect(one.signal.reason).toBe('its time is up')
  expect(other.signal.aborted).toBe(false)
})

it('leaves no trace of those that are over on the signal that lives as long as the process', () => {
  const stopping = new AbortController()
  const begin = createEndings(stopping.signal)
  const traces = () =>
    Object.getOwnPropertySymbols(stopping.signal).map((key) => {
      const value: unknown = (stopping.signal as unknown as Record<symbol, unknown>)[key]
      return value instanceof Set || value instanceof Map ? value.size : 0
    })
  const before = traces()
  for (let count = 0; count < 1_000; count++) AbortSignal.any([begin().signal, new AbortController().signal])
  expect(traces()).toEqual(before)
})
