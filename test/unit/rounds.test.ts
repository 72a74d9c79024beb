/** What a client of 2026-07-28 is given to come back with, and what its call is once ours is taken out of it. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { CONTINUATION_LIFE_MS, createRounds, ROUNDS_MAX, type Waited } from '../../proxy/mcp/rounds.ts'
import type { ApprovalId, CallId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { Call } from '../../src/gate/call.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { parseToolCall } from '../../src/mcp/message.ts'
import { createSealer, KEY_BYTES } from '../../src/sealing/seal.ts'
import { Secret } from '../../src/secret.ts'
import { anApproval, aPrincipal } from '../support/examples.ts'

const keys = [{ secret: new Secret(randomBytes(KEY_BYTES).toString('base64url')), isActive: true }]
let now = 1_000_000
const rounds = createRounds({
  sealer: createSealer({ ring: () => keys, randomBytes }),
  clock: { now: () => epochMs(now) },
  newNonce: () => `nonce-${randomBytes(4).toString('hex')}`,
})

const APPROVAL = anApproval({ id: 'apr_1' as ApprovalId, expiresAt: epochMs(now + 900_000) })
/** A number that a double would round, to show that no argument is written anew. */
const textOf = (more = '', name = 'write_file') =>
  `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"${name}","arguments":{"n":9007199254740993,"p":"x"}${more}}}`

function callOf(text: string, principal: Principal = aPrincipal()): Call {
  const { params } = JSON.parse(text) as { params: JsonObject }
  const parsed = parseToolCall(params)
  if (!parsed.ok) throw new Error(parsed.message)
  const { tool, arguments: args, otherParams } = parsed.call
  return {
    id: 'call_1' as CallId,
    sessionId: 'ses_1' as SessionId,
    principal,
    upstream: 'files',
    method: 'tools/call',
    tool,
    arguments: args,
    otherParams,
    rpcId: 7,
    bytes: Buffer.from(text),
    rejoins: null,
    continues: null,
  }
}

const stateOf = (result: JsonObject | null) => String(result?.requestState)
const retry = (state: string, more = '', name?: string) =>
  textOf(`,"requestState":${JSON.stringify(state)}${more}`, name)
function read(text: string, who: { principal?: Principal; upstream?: string } = {}) {
  const { params } = JSON.parse(text) as { params: JsonObject }
  const { principal = aPrincipal(), upstream = 'files' } = who
  return rounds.read({ bytes: Buffer.from(text), params, principal, upstream })
}
const textRead = (text: string) => Buffer.from(read(text)?.bytes ?? []).toString()

describe('a held call of a client without tasks', () => {
  it('comes back as its author wrote it, and knows what it waited for', () => {
    const result = rounds.next(callOf(textOf()), APPROVAL, null)
    expect(Object.keys(result ?? {}).sort()).toEqual(['requestState', 'resultType'])
    const text = retry(stateOf(result))
    expect(textRead(text)).toBe(textOf())
    expect(read(text)).toMatchObject({ waited: { approvalId: 'apr_1', round: 1 }, continues: null })
  })

  it('shows nothing of what is in its state', () => {
    const state = stateOf(rounds.next(callOf(textOf()), APPROVAL, null))
    expect(Buffer.from(state.slice(4), 'base64url').toString('latin1')).not.toContain('apr_1')
  })

  it('[REQ-ROUND-1] has a bounded number of rounds', () => {
    let waited: Waited | null = null
    for (let round = 1; round <= ROUNDS_MAX; round++) {
      waited = read(retry(stateOf(rounds.next(callOf(textOf()), APPROVAL, waited))))?.waited ?? null
      expect(waited?.round).toBe(round)
    }
    expect(rounds.next(callOf(textOf()), APPROVAL, waited)).toBeNull()
  })

  it('gets back the upstream’s state and the client’s answers, which the client sends only once', () => {
    const before = ',"inputResponses":{"a":{"n":9007199254740993}},"requestState":"theirs"'
    const state = stateOf(rounds.next(callOf(textOf(before)), APPROVAL, null))
    const params = JSON.parse(textRead(retry(state))).params as JsonObject
    expect(params).toMatchObject({ requestState: 'theirs', inputResponses: { a: {} } })
    expect(textRead(retry(state))).toContain('9007199254740993}}')
  })

  it('waits no further where what must come back is too large to be sealed', () => {
    expect(rounds.next(callOf(textOf(`,"inputResponses":{"a":"${'x'.repeat(70_000)}"}`)), APPROVAL, null)).toBeNull()
  })

  it.each<[string, () => unknown]>([
    ['another principal', () => read(retry(mine()), { principal: aPrincipal({ subject: 'eve', email: null }) })],
    ['another client of the same person', () => read(retry(mine()), { principal: aPrincipal({ client: 'other' }) })],
    ['another upstream', () => read(retry(mine()), { upstream: 'db' })],
    ['another tool', () => read(retry(mine(), '', 'delete_file'))],
    ['other arguments', () => read(retry(mine()).replace('"p":"x"', '"p":"y"'))],
    ['a changed letter', () => read(retry(mine().replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))))],
    ['something made up', () => read(retry('cs1.AAAA'))],
  ])('[REQ-ROUND-1] is refused with the state of %s', (_sentence, run) => {
    expect(run).toThrow(/requestState/)
  })

  it('is refused once the state has expired', () => {
    const state = mine()
    const before = now
    now += 24 * 60 * 60 * 1_000
    expect(() => read(retry(state))).toThrow(/expired/)
    now = before
  })

  it.each([
    ['no state', textOf()],
    ['an upstream’s own state', retry('eyJhbGciOi')],
    ['a state that is no text', textOf(',"requestState":7')],
  ])('is none of ours with %s', (_sentence, text) => {
    expect(read(text)).toBeNull()
  })

  function mine(): string {
    return stateOf(rounds.next(callOf(textOf()), APPROVAL, null))
  }
})

describe('an approved call whose upstream asks something', () => {
  it('[REQ-ROUND-2] carries the upstream’s state there and back, with a nonce of its own', () => {
    const one = rounds.wrap(callOf(textOf()), 'apr_1' as ApprovalId, 'theirs')
    const two = rounds.wrap(callOf(textOf()), 'apr_1' as ApprovalId, 'theirs')
    const first = read(retry(one, ',"inputResponses":{"a":1}'))
    expect(first).toMatchObject({ waited: null, continues: { approvalId: 'apr_1' } })
    expect(first?.params).toMatchObject({ requestState: 'theirs', inputResponses: { a: 1 } })
    expect(first?.continues?.nonce).not.toBe(read(retry(two))?.continues?.nonce)
  })

  it('brings back no state where the upstream gave none', () => {
    const state = rounds.wrap(callOf(textOf()), 'apr_1' as ApprovalId, null)
    expect(textRead(retry(state))).toBe(textOf())
  })

  it('is over when its life is', () => {
    const state = rounds.wrap(callOf(textOf()), 'apr_1' as ApprovalId, 'theirs')
    const before = now
    now += CONTINUATION_LIFE_MS
    expect(() => read(retry(state))).toThrow(/expired/)
    now = before
  })
})
