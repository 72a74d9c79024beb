/** How a task's call goes to its server: nobody's connection takes its answer. */
import { expect, it } from 'vitest'
import { exchangeOf } from '../../proxy/mcp/task-upstream.ts'
import type { StdioUpstream } from '../../proxy/stdio/stdio-upstream.ts'
import type { CallId, SessionId } from '../../src/brands.ts'
import type { Call, SendOptions } from '../../src/gate/call.ts'
import { aPrincipal } from '../support/examples.ts'

const CALL: Call = {
  id: 'call_1' as CallId,
  sessionId: 'ses_1' as SessionId,
  principal: aPrincipal(),
  upstream: 'files',
  method: 'tools/call',
  tool: 'read_file',
  arguments: {},
  otherParams: null,
  rpcId: 1,
  bytes: new Uint8Array(0),
  rejoins: null,
  continues: null,
}

it('takes the answer of a task’s call whole, also of one that policy has come to allow', async () => {
  const asked: (SendOptions | undefined)[] = []
  const target: StdioUpstream = {
    kind: 'stdio',
    exchange: () => ({
      send: async (_lease, how) => {
        asked.push(how)
        return { kind: 'whole', status: 200, headers: {}, body: new Uint8Array(0) }
      },
    }),
    tools: () => Promise.reject(new Error('not asked for')),
    close: async () => undefined,
  }
  const sender = { send: () => Promise.reject(new Error('not this way')), close: () => undefined }
  const gone = new AbortController().signal
  const exchange = exchangeOf({ sender, targets: new Map([['files', target]]) }, CALL, { headers: {}, gone })
  const lease = { kind: 'static', headers: new Map(), secrets: [], release: () => undefined } as const
  await exchange.send(lease, { outlivesAgent: false, takesPieces: true })
  expect(asked).toEqual([{ outlivesAgent: false, takesPieces: false }])
})
