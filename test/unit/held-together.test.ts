/**
 * Several clients of one person may wait for one question, each in its way: by a task, on a legacy stream, on a modern
 * one. What one of them takes back is its own call.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, it } from 'vitest'
import type { LegacyHoldsOptions, LegacyRequest } from '../../proxy/mcp/legacy-hold.ts'
import { createLegacyHolds } from '../../proxy/mcp/legacy-hold.ts'
import type { ModernHoldsOptions, ModernRequest } from '../../proxy/mcp/modern-hold.ts'
import { createModernHolds } from '../../proxy/mcp/modern-hold.ts'
import { ResumableOutlet } from '../../proxy/mcp/resumable-outlet.ts'
import type { ApprovalId, CallId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { anApproval, aPrincipal } from '../support/examples.ts'

const draining = new AbortController().signal
const common = { draining, clock: { now: () => epochMs(1_000) }, log: { warn: () => undefined } }

/** What becomes of the question when its only connection is cancelled, while so many tasks wait for it, too. */
async function withdrawnBeside(tasks: number): Promise<readonly string[]> {
  const withdrawn: string[] = []
  const cancelled = { callId: 'call_1' as CallId, approvalId: 'apr_1' as ApprovalId, isAlone: true }
  const holds = createLegacyHolds({
    ...common,
    connections: { cancel: async () => cancelled },
    tasks: { countFor: async () => tasks },
    approvals: {
      apply: async (id: string) => {
        withdrawn.push(id)
        return { ok: true, approval: anApproval({ state: 'cancelled' }) }
      },
      reviewRecorded: async () => undefined,
    },
    runs: { delivered: async () => undefined },
    recorder: { record: async () => undefined },
  } as unknown as LegacyHoldsOptions)
  await holds.cancelled({ principal: aPrincipal(), upstream: 'files', session: 's', params: { requestId: 1 } })
  return withdrawn
}

it('a cancelled connection takes the question back where nobody else waits for it', async () => {
  expect(await withdrawnBeside(0)).toEqual(['apr_1'])
})

it('but not where a task waits for it', async () => {
  expect(await withdrawnBeside(1)).toEqual([])
})

it('a modern connection counts among those that wait, until it closes', async () => {
  const waiting = new Set<string>()
  const closing: (() => void)[] = []
  const holds = createModernHolds({
    ...common,
    budgets: { patienceOf: () => null },
    connections: {
      attach: async ({ callId }: { callId: string }) => {
        waiting.add(callId)
        return { settled: () => waiting.delete(callId) }
      },
    },
  } as unknown as ModernHoldsOptions)
  const response = { closed: false, once: (_event: string, listener: () => void) => closing.push(listener) }
  const attachment = holds.attach({
    call: { id: 'call_2', principal: aPrincipal() },
    outlet: { takesStream: false },
    progressToken: null,
    cursor: null,
    request: {} as IncomingMessage,
    response: response as unknown as ServerResponse,
    left: new AbortController().signal,
  } as unknown as ModernRequest)
  await attachment.held(anApproval())
  expect([...waiting]).toEqual(['call_2'])
  for (const close of closing) close()
  expect([...waiting]).toEqual([])
})

it('a connection that can be neither registered nor parked is refused once, and the other failure ends no process', async () => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', listen)
  try {
    const holds = createLegacyHolds({
      ...common,
      budgets: { patienceOf: () => null },
      connections: { attach: () => Promise.reject(new Error('not registered')) },
      // A moment later, as when one time-out comes after the other.
      parked: {
        parkConnection: async () => {
          await new Promise((resolve) => setImmediate(resolve))
          throw new Error('not parked')
        },
      },
    } as unknown as LegacyHoldsOptions)
    const headers = { accept: 'text/event-stream', 'mcp-protocol-version': '2025-11-25' }
    const request = { headers } as unknown as IncomingMessage
    const attachment = holds.attach({
      call: { id: 'call_3', principal: aPrincipal(), upstream: 'files', rpcId: 1, bytes: new Uint8Array() },
      request,
      outlet: new ResumableOutlet(request, {} as ServerResponse),
      ...{ progressToken: null, client: null, session: null, cursor: null, headers: () => ({}) },
      left: new AbortController().signal,
    } as unknown as LegacyRequest)
    await expect(attachment.held(anApproval())).rejects.toThrow('not parked')
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', listen)
  }
})
