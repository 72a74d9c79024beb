/** A parked call comes back as it was, in another process too, and is gone when nothing can come of it any more. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createParkedCalls, PARKED_CONNECTIONS_MAX } from '../../jobs/parked-calls.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { connectRedis } from '../../jobs/redis.ts'
import { callOfParked, parkedCallOf, parkIfRoom } from '../../proxy/mcp/parked.ts'
import type { ApprovalId, CallId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { GatewayError } from '../../src/errors.ts'
import type { Call } from '../../src/gate/call.ts'
import { aPrincipal } from '../support/examples.ts'
import type { TestRedis } from '../support/redis.ts'
import { startTestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const text =
  '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write_file","arguments":{"path":"a","n":1}}}'
const CALL: Call = {
  id: 'call_1' as CallId,
  sessionId: 'ses_1' as SessionId,
  principal: aPrincipal(),
  upstream: 'files',
  method: 'tools/call',
  tool: 'write_file',
  arguments: { path: 'a', n: 1 },
  otherParams: null,
  rpcId: 7,
  bytes: Buffer.from(text),
  rejoins: 'apr_1' as ApprovalId,
  statedReason: null,
  continues: null,
}
const parked = parkedCallOf({
  call: CALL,
  approvalId: 'apr_1' as ApprovalId,
  headers: { 'mcp-protocol-version': '2025-11-25' },
  client: 'agent',
})

describe('parked calls', () => {
  let server: TestRedis
  const handles: RedisHandle[] = []
  const connect = (limits?: Parameters<typeof createParkedCalls>[1], keyPrefix = 'parked') => {
    const clock = { now: () => epochMs(Date.now()) }
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const handle = connectRedis({ url: server.url, keyPrefix, clock, log })
    handles.push(handle)
    return handle.whenReady().then(() => createParkedCalls(handle, limits))
  }

  beforeAll(async () => {
    server = await startTestRedis()
  })
  afterAll(async () => {
    await Promise.all(handles.map((handle) => handle.close()))
    await server.stop()
  })

  it('of one approval’s connections are the newest few, and a task’s is not among them', async () => {
    const calls = await connect()
    const soon = epochMs(Date.now() + 60_000)
    const of = (name: string) => ({ ...parked, callId: `call_${name}` as CallId, approvalId: 'apr_many' as ApprovalId })
    await calls.park(of('task'), soon)
    const names = Array.from({ length: PARKED_CONNECTIONS_MAX + 3 }, (_, at) => `many_${at}`)
    for (const name of names) await calls.parkConnection(of(name), soon)
    const found = await Promise.all(['task', ...names].map(async (name) => (await calls.get(of(name).callId)) !== null))
    expect(found).toEqual([true, ...names.map((_, at) => at >= 3)])
  })

  it('come back byte for byte on another connection, and rejoin their approval', async () => {
    const [one, other] = await Promise.all([connect(), connect()])
    await one.park(parked, epochMs(Date.now() + 60_000))
    const found = await other.get(CALL.id)
    expect(found).toEqual(parked)
    expect(found && callOfParked(found)).toEqual(CALL)
  })

  it('are forgotten when told so, and by themselves when their time is over', async () => {
    const store = await connect()
    await store.park(parked, epochMs(Date.now() + 60_000))
    await store.forget(CALL.id)
    expect(await store.get(CALL.id)).toBeNull()
    await store.park(parked, epochMs(Date.now() + 50))
    await until('the call to be forgotten', async () => (await store.get(CALL.id)) === null)
  })

  it('take no more memory than they may, of one principal and of all together, and give it back', async () => {
    const callOf = (id: string, subject: string) => {
      return { ...parked, callId: `call_${id}` as CallId, principal: aPrincipal({ subject }) }
    }
    const size = JSON.stringify(callOf('1', 'ann')).length
    const store = await connect({ principalBytesMax: 2 * size, allBytesMax: 3 * size }, 'bounded')
    const later = epochMs(Date.now() + 60_000)
    const park = (id: string, subject: string, end = later) =>
      store.park(callOf(id, subject), end).then(
        () => 'parked',
        (error: GatewayError) => error.code,
      )
    expect(await park('1', 'ann')).toBe('parked')
    expect(await park('2', 'ann')).toBe('parked')
    expect(await park('3', 'ann'), 'of one principal').toBe('too_many_holds')
    expect(await store.get('call_3' as CallId)).toBeNull()
    expect(await park('2', 'ann', epochMs(Date.now() + 50)), 'the same once more').toBe('parked')
    await until('there is room again', async () => (await park('3', 'ann')) === 'parked')
    expect(await park('4', 'bob')).toBe('parked')
    expect(await park('5', 'bob'), 'of all together').toBe('too_many_holds')
    expect(await store.forget('call_1' as CallId)).toBe(true)
    expect(await store.forget('call_1' as CallId)).toBe(false)
    expect(await park('5', 'bob')).toBe('parked')
  })

  it('without room are not parked, which ends no hold; any other fault does', async () => {
    const store = await connect({ principalBytesMax: 1 }, 'full')
    expect(await parkIfRoom(store, parked, epochMs(Date.now() + 60_000))).toBe(false)
    await handles.at(-1)?.close()
    await expect(parkIfRoom(store, parked, epochMs(Date.now() + 60_000))).rejects.toMatchObject({
      code: 'store_unavailable',
    })
  })

  it('are refused where their bytes are no tool call any more', () => {
    expect(() => callOfParked({ ...parked, bytes: Buffer.from('{}').toString('base64') })).toThrow(/cannot be read/)
  })
})
