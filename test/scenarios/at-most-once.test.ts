/** An approved call is made once, whoever leaves, comes back or is killed in between. Real processes, real signals. */
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ShownCard } from '../../demo/console-reviewer.ts'
import { approvalKeys } from '../../jobs/approvals/keys.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { type RawAnswer, rawCall } from '../support/one-call.ts'
import { until } from '../support/until.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterEach(() => {
  world.tap.intercept = null
})
afterAll(() => world?.close())

const write = (name: string) => ({ path: path.join(world.files, name), content: `content of ${name}` })
const sentFor = (name: string) => world.tap.callsOf('write_file').filter(({ body }) => body.includes(name))
const text = ({ result }: RawAnswer) => result?.content[0]?.text ?? ''
const decision = ({ result }: RawAnswer) => result?._meta?.['dev.countersign/decision']

/** The upstream has the call and answers when told to, over HTTP as JSON or as a stream. */
function slowUpstream(name: string, how: 'json' | 'stream' = 'json'): { answer(): void } {
  let waiting: { response: ServerResponse; id: unknown } | null = null
  world.tap.intercept = ({ body }, response) => {
    if (!body.includes(name) || waiting !== null) return false
    waiting = { response, id: (JSON.parse(body) as { id: unknown }).id }
    return true
  }
  return {
    answer() {
      if (waiting === null) throw new Error('the upstream has not seen the call')
      const { response, id } = waiting
      const json = JSON.stringify({
        jsonrpc: '2.0',
        id,
        result: { content: [{ type: 'text', text: `wrote ${name}` }] },
      })
      if (how === 'json') response.writeHead(200, { 'content-type': 'application/json' }).end(json)
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${json}\n\n`)
    },
  }
}

async function rig(options: Parameters<World['startGateway']>[0] = {}) {
  const gateway = await world.startGateway(options)
  let ids = 0
  const call = (name: string, signal?: AbortSignal) => {
    ids += 1
    return rawCall(gateway, { id: `id-${ids}`, tool: 'write_file', arguments: write(name), ...(signal && { signal }) })
  }
  const console = async () => {
    const reviewer = await gateway.console()
    const card = (name: string, more: (card: ShownCard) => boolean = () => true) =>
      until(`a card for ${name} is shown`, async () =>
        (await reviewer.state()).json.pending.find(
          (each) => each.arguments.some(({ value }) => value.endsWith(name)) && more(each),
        ),
      )
    return { ...reviewer, card }
  }
  /** How the calls of this gateway ended. */
  const outcomes = async () =>
    (await gateway.events()).filter(({ type }) => type === 'call.outcome').map(({ outcome }) => outcome)
  return { gateway, call, console, outcomes }
}

/** An agent whose approved call is with the upstream. */
async function running(parts: Awaited<ReturnType<typeof rig>>, name: string) {
  const reviewer = await parts.console()
  const agent = new AbortController()
  const first = parts.call(name, agent.signal).catch((error: Error) => error)
  const card = await reviewer.card(name)
  await reviewer.click(card.approvalId, 'approve')
  await until('the upstream has the call', () => sentFor(name).length === 1)
  return { reviewer, first, approvalId: card.approvalId, leave: () => agent.abort() }
}

/** It is known to be dead: nobody need wait until its heartbeat has run out. */
async function forgetHeartbeats(gateway: Gateway): Promise<void> {
  const redis = await world.redis.connect(path.basename(gateway.directory))
  const pattern = approvalKeys(redis).heartbeat('*')
  const keys = (await redis.call('KEYS', pattern.replace(/[{}]/g, '?'))) as string[]
  if (keys.length > 0) await redis.call('DEL', ...keys)
  await redis.close()
}

describe('the agent leaves while its approved call runs', () => {
  it.each(['json', 'stream'] as const)(
    '[REQ-ONCE-3] [REQ-ONCE-2] it is not broken off (%s): the outcome is recorded, and who comes back gets the answer, once',
    async (how) => {
      const name = `left-${how}.txt`
      const upstream = slowUpstream(name, how)
      const parts = await rig()
      const { leave, first, approvalId, reviewer } = await running(parts, name)
      leave()
      expect(await first).toBeInstanceOf(Error)
      upstream.answer()
      await until('the outcome is recorded', async () => (await parts.outcomes()).includes('succeeded'))
      const again = await parts.call(name)
      expect(text(again)).toBe(`wrote ${name}`)
      expect(decision(again)).toMatchObject({ outcome: 'replayed', approval_id: approvalId })
      expect(sentFor(name)).toHaveLength(1)
      expect(await parts.outcomes()).toEqual(['succeeded', 'replayed'])
      // It has its answer: the next one is a call of its own, and people are asked.
      const third = parts.call(name)
      expect((await reviewer.card(name)).approvalId).not.toBe(approvalId)
      await reviewer.click((await reviewer.card(name)).approvalId, 'deny')
      expect((await third).result?.isError).toBe(true)
      expect(sentFor(name)).toHaveLength(1)
    },
  )

  it('[REQ-ONCE-2] who comes back before the answer waits for it, and so does who shares the card', async () => {
    const name = 'shared.txt'
    const upstream = slowUpstream(name)
    const parts = await rig()
    const reviewer = await parts.console()
    const agent = new AbortController()
    const first = parts.call(name, agent.signal).catch((error: Error) => error)
    const card = await reviewer.card(name)
    const joined = parts.call(name)
    await until('the second joined', async () =>
      (await parts.gateway.events()).some(({ type }) => type === 'approval.joined'),
    )
    await reviewer.click(card.approvalId, 'approve')
    await until('the upstream has the call', () => sentFor(name).length === 1)
    const late = parts.call(name)
    await until(
      'the third joined',
      async () => (await parts.gateway.events()).filter(({ type }) => type === 'approval.joined').length === 2,
    )
    upstream.answer()
    const answers = [await first, await joined, await late].map((answer) => text(answer as RawAnswer))
    expect(answers).toEqual([`wrote ${name}`, `wrote ${name}`, `wrote ${name}`])
    expect(sentFor(name)).toHaveLength(1)
  })

  it('[REQ-ONCE-3] a gateway that stops lets it finish, and its answer waits for the next gateway', async () => {
    const name = 'drained.txt'
    const upstream = slowUpstream(name)
    const parts = await rig({
      settings: 'shutdown: { drain: 10m }\nchannels: { console: { reviewer: bob@example.com } }',
    })
    const { leave, first } = await running(parts, name)
    leave()
    await first
    const stopped = parts.gateway.stop()
    await parts.gateway.process.line(/stopping/)
    upstream.answer()
    expect(await stopped).toBe(0)
    expect(await parts.outcomes()).toEqual(['succeeded'])
    await parts.gateway.restart()
    expect(text(await parts.call(name))).toBe(`wrote ${name}`)
    expect(sentFor(name)).toHaveLength(1)
  })
})

describe('the gateway is gone while an approved call runs', () => {
  it.each<[string, (gateway: Gateway) => Promise<unknown>, number]>([
    ['killed', (gateway) => gateway.kill(), 1],
    ['told to stop, and could wait no longer', (gateway) => gateway.stop(), 0],
  ])('[REQ-ONCE-1] %s: people are asked, and until they have said the call is not sent again', async (how, end) => {
    const name = `lost-${how.length}.txt`
    slowUpstream(name)
    const settings = 'shutdown: { drain: 1s }\nchannels: { console: { reviewer: bob@example.com } }'
    const parts = await rig({ settings })
    const { first, approvalId } = await running(parts, name)
    await end(parts.gateway)
    expect(await first).toBeInstanceOf(Error)
    await forgetHeartbeats(parts.gateway)
    await parts.gateway.restart()
    // Whoever comes back before that is noticed waits for it, too.
    const early = parts.call(name)
    const reviewer = await parts.console()
    const card = await reviewer.card(name, (each) => each.asksWhetherItRan)
    expect(card).toMatchObject({ approvalId, state: 'approved' })
    expect(card.outcome).toContain('Outcome unknown: the gateway stopped while the call was on its way')
    for (const answer of [await early, await parts.call(name)]) {
      expect(answer.result?.isError).toBe(true)
      expect(text(answer)).toBe(
        `It is not known whether the call of approval ${approvalId} ran: the gateway stopped while it was on its way. ` +
          'A reviewer has been asked; do not repeat it until they have said.',
      )
    }
    expect(sentFor(name)).toHaveLength(1)
    expect(await reviewer.resolveRun(approvalId, false)).toMatchObject({ status: 200, body: { ok: true } })
    const anew = parts.call(name)
    const asked = await reviewer.card(name)
    expect(asked.approvalId).not.toBe(approvalId)
    const upstream = slowUpstream(name)
    await reviewer.click(asked.approvalId, 'approve')
    await until('the upstream has the second', () => sentFor(name).length === 2)
    upstream.answer()
    expect(text(await anew)).toBe(`wrote ${name}`)
    expect(sentFor(name)).toHaveLength(2)
    const events = await parts.gateway.events()
    expect(events.filter(({ type }) => type === 'call.outcome_unknown')).toMatchObject([{ approval_id: approvalId }])
    expect(events.filter(({ type }) => type === 'run.resolved')).toMatchObject([
      { approval_id: approvalId, ran: false, reviewer: { email: 'bob@example.com' } },
    ])
  })
})

describe('a denial while the agent is away', () => {
  it('[REQ-ONCE-4] is told to the agent that comes back, once, and nobody is asked again before', async () => {
    const name = 'denied-away.txt'
    const parts = await rig()
    const reviewer = await parts.console()
    const agent = new AbortController()
    const first = parts.call(name, agent.signal).catch((error: Error) => error)
    const card = await reviewer.card(name)
    agent.abort()
    await first
    await reviewer.click(card.approvalId, 'deny', 'Not on a Friday')
    const back = await parts.call(name)
    expect(back.result?.isError).toBe(true)
    expect(text(back)).toContain('Denied by a reviewer: Not on a Friday. The call was NOT executed.')
    expect((await reviewer.state()).json.pending).toEqual([])
    const later = parts.call(name)
    const asked = await reviewer.card(name)
    expect(asked.approvalId).not.toBe(card.approvalId)
    await reviewer.click(asked.approvalId, 'deny')
    await later
    expect(sentFor(name)).toEqual([])
  })
})
