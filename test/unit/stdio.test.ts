/** The parts of upstreams that are a command, without a process: lines, ids, environment, back-off, what waits. */
import { describe, expect, it } from 'vitest'
import { createBackoff } from '../../proxy/stdio/backoff.ts'
import { childEnvironment } from '../../proxy/stdio/environment.ts'
import { createErrorLog } from '../../proxy/stdio/error-log.ts'
import { createLineReader } from '../../proxy/stdio/lines.ts'
import { createMailbox } from '../../proxy/stdio/mailbox.ts'
import { createPeer } from '../../proxy/stdio/peer.ts'
import type { JsonText } from '../../proxy/stdio/rewrite.ts'
import { answerText, cancelledLine, progressText, requestLine, subscriptionText } from '../../proxy/stdio/rewrite.ts'
import type { ServerProcess } from '../../proxy/stdio/server-process.ts'
import { epochMs } from '../../src/brands.ts'
import type { Lease } from '../../src/credential/lease.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { Secret } from '../../src/secret.ts'

const json = (text: string): JsonText => ({ text, value: JSON.parse(text) as JsonObject })

describe('lines', () => {
  const read = (chunks: readonly (string | Buffer)[], bytesMax = 10) => {
    const lines: string[] = []
    let tooLong = 0
    const onTooLong = () => {
      tooLong += 1
    }
    const reader = createLineReader({ bytesMax, onLine: (line) => lines.push(line.toString('utf8')), onTooLong })
    for (const chunk of chunks) reader.feed(Buffer.from(chunk))
    return { lines, tooLong }
  }
  it.each<[string, (string | Buffer)[], string[], number]>([
    ['come one by one', ['a\nb\n'], ['a', 'b'], 0],
    ['are put together of chunks', ['a', 'b', 'c\nd', '\n'], ['abc', 'd'], 0],
    ['are whole where a chunk ends within a character', [Buffer.from([0xc3]), Buffer.from([0xa4, 0x0a])], ['ä'], 0],
    ['lose the return of Windows', ['a\r\nb\r', '\n'], ['a', 'b'], 0],
    ['that are empty are none', ['\n\n\r\na\n'], ['a'], 0],
    ['without an end are none yet', ['a\nb'], ['a'], 0],
    ['may be as long as the limit', ['1234567890\n'], ['1234567890'], 0],
    ['that are longer are told of once, and skipped', ['12345678901\nb\n'], ['b'], 1],
    ['that are longer over chunks are told of once, and skipped', ['123456', '789012', '345\nb\n'], ['b'], 1],
  ])('%s', (_sentence, chunks, lines, tooLong) => {
    expect(read(chunks)).toEqual({ lines, tooLong })
  })
})

describe('[REQ-STDIO-2] ids', () => {
  it.each<[string, string, string]>([
    [
      'of a request are ours, and nothing else changes',
      '{"jsonrpc":"2.0", "id":"x","method":"m","params":{"id":"x","n":9007199254740993,"f":1.0}}',
      '{"jsonrpc":"2.0", "id":7,"method":"m","params":{"id":"x","n":9007199254740993,"f":1.0}}',
    ],
    [
      'of a request without params too',
      '{"id":1,"method":"ping","jsonrpc":"2.0"}',
      '{"id":7,"method":"ping","jsonrpc":"2.0"}',
    ],
    [
      'are its progress token, where it asked for progress',
      '{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":"t","other":[1e400]}}}',
      '{"jsonrpc":"2.0","id":7,"method":"m","params":{"_meta":{"progressToken":7,"other":[1e400]}}}',
    ],
    [
      'stand on one line however the client wrote it',
      '{\n"jsonrpc":"2.0",\r\n\t"id":1,"method":"m","params":{"a":"b\\nc"}\n}\n',
      '{ "jsonrpc":"2.0", \t"id":7,"method":"m","params":{"a":"b\\nc"} } ',
    ],
  ])('%s', (_sentence, text, line) => {
    expect(requestLine(json(text), 7)).toBe(line)
  })

  it('come back to what the client knows', () => {
    expect(answerText(json('{"jsonrpc":"2.0","id":7,"result":{"n":9007199254740993}}'), 'x')).toBe(
      '{"jsonrpc":"2.0","id":"x","result":{"n":9007199254740993}}',
    )
    const meta = '"_meta":{"io.modelcontextprotocol/subscriptionId":7}'
    expect(answerText(json(`{"id":7,"result":{"resultType":"complete",${meta}}}`), 'x')).toBe(
      `{"id":"x","result":{"resultType":"complete",${meta.replace('7', '"x"')}}}`,
    )
    expect(subscriptionText(json(`{"method":"n","params":{${meta}}}`), 'x')).toContain(meta.replace('7', '"x"'))
    expect(progressText(json('{"method":"p","params":{"progressToken":7,"progress":0.50}}'), 't')).toBe(
      '{"method":"p","params":{"progressToken":"t","progress":0.50}}',
    )
    expect(cancelledLine(json('{"method":"c","params":{"requestId":"x","reason":"r"}}'), 7)).toBe(
      '{"method":"c","params":{"requestId":7,"reason":"r"}}',
    )
  })
})

describe('[REQ-STDIO-4] the environment', () => {
  const lease = (environment?: ReadonlyMap<string, Secret>): Lease => ({
    kind: 'static',
    headers: new Map(),
    secrets: [],
    release: () => undefined,
    ...(environment === undefined ? {} : { environment }),
  })
  const from = { PATH: '/bin', HOME: '/h', LANG: 'C', SLACK_BOT_TOKEN: 's', REDIS_URL: 'r', NODE_OPTIONS: '-r x' }

  it('holds what programs need, what the settings give, and the credential', () => {
    const env = new Map([['LOG_LEVEL', new Secret('info')]])
    const lent = lease(new Map([['API_TOKEN', new Secret('t')]]))
    expect(childEnvironment({ ambient: from, platform: 'linux', env, lease: lent })).toEqual({
      PATH: '/bin',
      HOME: '/h',
      LANG: 'C',
      LOG_LEVEL: 'info',
      API_TOKEN: 't',
    })
  })

  it('is overridden by the settings, and the credential by nothing', () => {
    const env = new Map([
      ['PATH', new Secret('/other')],
      ['API_TOKEN', new Secret('not this')],
    ])
    const lent = lease(new Map([['API_TOKEN', new Secret('t')]]))
    expect(childEnvironment({ ambient: from, platform: 'linux', env, lease: lent })).toMatchObject({
      PATH: '/other',
      API_TOKEN: 't',
    })
  })

  it('knows the names of Windows without regard to case', () => {
    const ambient = { Path: 'C:\\', SystemRoot: 'C:\\Windows', HOME: 'x', SECRET: 'y' }
    expect(childEnvironment({ ambient, platform: 'win32', env: new Map(), lease: lease() })).toEqual({
      Path: 'C:\\',
      SystemRoot: 'C:\\Windows',
    })
  })
})

describe('[REQ-STDIO-3] back-off', () => {
  function fixture(random = 1) {
    let now = 0
    const backoff = createBackoff({ now: () => epochMs(now) }, () => random)
    return {
      pass: (ms: number) => {
        now += ms
      },
      fail: (owner = 'a', ranMs = 10) => backoff.ended(owner, { ranMs, reason: 'ended' }),
      waitMs: (owner = 'a') => backoff.refusal(owner)?.waitMs ?? 0,
      times: (owner = 'a') => backoff.refusal(owner)?.times,
    }
  }

  it('lets the first restart be at once, then doubles up to a minute', () => {
    const { pass, fail, waitMs } = fixture()
    const waits = Array.from({ length: 10 }, () => {
      fail()
      const wait = waitMs()
      pass(wait)
      return wait
    })
    expect(waits).toEqual([0, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
    expect(waitMs()).toBe(0)
  })

  it('has jitter of half the delay', () => {
    const { fail, waitMs } = fixture(0)
    fail()
    fail()
    expect(waitMs()).toBe(250)
  })

  it('begins anew after a server that ran for long', () => {
    const { fail, waitMs, times } = fixture()
    fail()
    fail()
    fail()
    expect(times()).toBe(3)
    fail('a', 30_000)
    expect(waitMs()).toBe(0)
  })

  it('is each owner’s own', () => {
    const { fail, waitMs } = fixture()
    for (let n = 0; n < 5; n++) fail('a')
    expect([waitMs('a'), waitMs('b')]).toEqual([4000, 0])
  })
})

describe('what a server says', () => {
  it('waits in order, and the oldest goes where it is too much, but never the answer', async () => {
    const box = createMailbox()
    for (let n = 0; n < 1_500; n++) box.put(String(n))
    box.last('answer')
    expect((await box.take()).text).toBe('501')
    for (let n = 502; n < 1_500; n++) await box.take()
    expect(await box.take()).toEqual({ text: 'answer', isLast: true })
    expect(box.put('late')).toBe(false)
  })

  it('is not lost where a listener left while it waited', async () => {
    const box = createMailbox()
    const leaving = new AbortController()
    const first = box.take(leaving.signal)
    leaving.abort(new Error('left'))
    await expect(first).rejects.toThrow('left')
    box.put('for the next')
    expect((await box.take()).text).toBe('for the next')
  })

  it('is told before the failure that follows it', async () => {
    const box = createMailbox()
    box.put('said')
    box.fail(new Error('ended'))
    expect((await box.take()).text).toBe('said')
    await expect(box.take()).rejects.toThrow('ended')
  })
})

describe('one server for many', () => {
  function fixture() {
    const written: JsonObject[] = []
    const unasked: string[] = []
    let noise = 0
    let end: (why: string) => void = () => undefined
    const process: ServerProcess = {
      pid: 1,
      write: (line) => void written.push(JSON.parse(line) as JsonObject),
      ended: new Promise((resolve) => {
        end = resolve
      }),
      stop: async () => undefined,
    }
    const peer = createPeer(process, {
      era: 'legacy',
      onUnasked: ({ method }) => void unasked.push(method),
      onNoise: (count) => {
        noise = count
      },
    })
    const say = (line: string) => peer.onLine(Buffer.from(line))
    const ask = (scope: string, id: string, meta = '') =>
      peer.request(json(`{"jsonrpc":"2.0","id":${id},"method":"m","params":{${meta}}}`), { scope, takesMessages: true })
    return { peer, say, ask, written, unasked, end: (why: string) => end(why), noise: () => noise }
  }

  it('[REQ-STDIO-2] gives each its own answer, however they come', async () => {
    const { ask, say, written } = fixture()
    const [one, two] = [ask('s1', '1'), ask('s2', '1')]
    expect(written.map(({ id }) => id)).toEqual([1, 2])
    say('{"jsonrpc":"2.0","id":2,"result":{"for":"two"}}')
    say('{"jsonrpc":"2.0","id":1,"result":{"for":"one"}}')
    expect((await one.mailbox.take()).text).toBe('{"jsonrpc":"2.0","id":1,"result":{"for":"one"}}')
    expect((await two.mailbox.take()).text).toBe('{"jsonrpc":"2.0","id":1,"result":{"for":"two"}}')
  })

  it('[REQ-STDIO-2] gives progress to whose token it was, and nobody another’s', async () => {
    const { ask, say } = fixture()
    const [one, two] = [ask('s1', '1', '"_meta":{"progressToken":1}'), ask('s2', '1', '"_meta":{"progressToken":1}')]
    const silent = ask('s3', '1')
    for (const token of [2, 3, '"1"', 99])
      say(`{"method":"notifications/progress","params":{"progressToken":${token},"progress":1}}`)
    for (const id of [1, 2, 3]) say(`{"jsonrpc":"2.0","id":${id},"result":{}}`)
    expect((await one.mailbox.take()).isLast).toBe(true)
    expect((await two.mailbox.take()).text).toContain('"progressToken":1')
    expect((await silent.mailbox.take()).isLast).toBe(true)
  })

  it('[REQ-STDIO-2] cancels only within the session that asks for it', () => {
    const { peer, ask, written } = fixture()
    ask('s1', '"a"')
    ask('s2', '"a"')
    const cancelled = json('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}')
    peer.cancel(cancelled, 's2')
    peer.cancel(cancelled, 's3')
    expect(written.slice(2)).toMatchObject([{ method: 'notifications/cancelled', params: { requestId: 2 } }])
  })

  it('drops an answer that comes when its client has gone', () => {
    const { peer, ask, say, written, unasked } = fixture()
    const { id } = ask('s1', '1')
    peer.abandon(id)
    say('{"jsonrpc":"2.0","id":1,"result":{}}')
    expect(written.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 1 } })
    expect([unasked, peer.underway.size]).toEqual([[], 0])
  })

  it('skips what is no message, and withholds an answer that two readers would read differently', async () => {
    const { ask, say, noise } = fixture()
    const { mailbox } = ask('s1', '1')
    for (const line of ['ready!', '[]', '7', '{"id":', '{"id":1']) say(line)
    expect(noise()).toBe(5)
    say('{"jsonrpc":"2.0","id":1,"result":{"secret":1,"secret":2}}')
    await expect(mailbox.take()).rejects.toThrow(/withheld: duplicate key at byte \d+/)
  })

  it('[REQ-STDIO-3] fails everything under way when it ends', async () => {
    const { ask, end } = fixture()
    const boxes = [ask('s1', '1'), ask('s2', '1')]
    end('was ended by SIGKILL')
    for (const { mailbox } of boxes) await expect(mailbox.take()).rejects.toThrow('process was ended by SIGKILL')
  })
})

describe('standard error', () => {
  it('[REQ-STDIO-4] is masked before it is cut, and no more than so much of it is logged', () => {
    let now = 0
    const lines: string[] = []
    const log = {
      info: (_: string, fields: object = {}) => void lines.push(JSON.stringify(fields)),
      warn: () => undefined,
      error: () => undefined,
    }
    const secret = new Secret('tok-51b0d2e47c3a')
    const say = createErrorLog({
      upstream: 'u',
      secrets: [secret],
      masker: createMasker(),
      clock: { now: () => epochMs(now) },
      log,
    })
    say(Buffer.from(`${'.'.repeat(495)}tok-51b0d2e47c3a`), 1)
    expect(lines[0]).not.toContain('tok-')
    for (let n = 0; n < 1_000; n++) say(Buffer.from('x'), 1)
    expect(lines).toHaveLength(100)
    now += 1_000
    say(Buffer.from('x'), 1)
    expect(lines[100]).toContain('"lines_dropped":901')
  })
})
