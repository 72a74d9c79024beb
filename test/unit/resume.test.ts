/** With which ids a client may come back, and what it finds. */
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import type { Cursor } from '../../proxy/mcp/resume.ts'
import { isOurCursor, resume, sealCursor } from '../../proxy/mcp/resume.ts'
import type { ApprovalId, CallId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { ParkedCall, ParkedCalls } from '../../src/ports.ts'
import { boundTo, createSealer, KEY_BYTES } from '../../src/sealing/seal.ts'
import { Secret } from '../../src/secret.ts'
import { aPrincipal } from '../support/examples.ts'

const ring = [{ secret: new Secret(randomBytes(KEY_BYTES).toString('base64url')), isActive: true }]
const sealer = createSealer({ ring: () => ring, randomBytes })
const principal = aPrincipal()
const text =
  '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write_file","arguments":{"path":"a"},"_meta":{"progressToken":"tok"}}}'
const CALL: ParkedCall = {
  callId: 'call_1' as CallId,
  approvalId: 'apr_1' as ApprovalId,
  sessionId: 'ses_1' as SessionId,
  principal,
  upstream: 'files',
  bytes: Buffer.from(text).toString('base64'),
  headers: {},
  client: null,
}
const parkedCalls = (call: ParkedCall | null) =>
  ({ get: async (id: CallId) => (id === call?.callId ? call : null) }) as unknown as ParkedCalls

const cursor: Cursor = { callId: CALL.callId, arrivedAt: epochMs(1), answerBy: epochMs(2), round: 0, isOver: false }
const id = sealCursor(sealer, cursor, { principal, upstream: 'files' })
const come = (from: { lastEventId?: string; principal?: Principal; upstream?: string }, parked = parkedCalls(CALL)) =>
  resume({ sealer, parked }, { lastEventId: id, principal, upstream: 'files', ...from })

it('finds the call as it was asked, with the id and the token of its author', async () => {
  expect(await come({})).toMatchObject({
    cursor,
    progressToken: 'tok',
    call: { id: 'call_1', rpcId: 7, tool: 'write_file', arguments: { path: 'a' }, rejoins: 'apr_1' },
  })
})

it('judges it by the claims of the token that came back, not by those of the one before', async () => {
  const demoted = { ...principal, groups: [], claims: {} }
  expect((await come({ principal: demoted }))?.call.principal).toBe(demoted)
})

it.each<[string, Parameters<typeof come>[0]]>([
  ['another principal’s', { principal: { ...principal, subject: 'mallory' } }],
  ['the same person’s other OAuth client’s', { principal: { ...principal, client: 'other' } }],
  ['another upstream’s', { upstream: 'pg-prod' }],
  ['forged', { lastEventId: `${id.slice(0, -2)}AA` }],
  [
    'that of an event of the MCP server',
    { lastEventId: sealer.seal('stream-event', { e: '1' }, boundTo(principal, 'files')) },
  ],
  ['made for another purpose', { lastEventId: sealer.seal('mcp-session', { call: 'call_1' }, 'x') }],
])('refuses an id that is %s', async (_sentence, from) => {
  await expect(come(from)).rejects.toMatchObject({ code: 'invalid_request' })
})

it('finds nothing behind the answer, and nothing of a call that was taken back', async () => {
  const over = sealCursor(sealer, { ...cursor, isOver: true }, { principal, upstream: 'files' })
  expect(await come({ lastEventId: over })).toBeNull()
  expect(await come({}, parkedCalls(null))).toBeNull()
})

it('leaves other ids to the MCP server, and fits into a header', () => {
  expect(isOurCursor(id)).toBe(true)
  expect(isOurCursor('0b1c_1700000000')).toBe(false)
  expect(isOurCursor(undefined)).toBe(false)
  expect(id).toMatch(/^[\x21-\x7e]{1,400}$/)
})
