import { describe, expect, it } from 'vitest'
import { SEEN_REQUESTS_MAX } from '../../bots/slack/limits.ts'
import { boltLogger, errorName } from '../../bots/slack/log.ts'
import { createOnce, isFirstAnywhere, isQuestion } from '../../bots/slack/once.ts'
import { clip, clipped, date, fallbackText, jsonBytes } from '../../bots/slack/text.ts'
import { epochMs } from '../../src/brands.ts'

describe('cutting text', () => {
  const rows: [string, string, number, string, number][] = [
    ['what fits stays whole', 'abc', 3, 'abc', 0],
    ['what is too long is cut and counted', 'abcdef', 4, 'abcd', 2],
    ['a character of four bytes is not split', 'a🙂b', 4, 'a', 3],
    ['a quote counts as two bytes, as in JSON', '""""', 4, '""', 2],
    ['nothing fits in nothing', 'a', 0, '', 1],
  ]
  it.each(rows)('%s', (_sentence, text, bytes, expected, hidden) => {
    expect(clip(text, bytes)).toEqual({ text: expected, hidden })
  })

  it('counts as JSON.stringify does', () => {
    const ranges = [0x0, 0x80, 0x7f0, 0xd7f0, 0xdbf0, 0xfff0].map((from) =>
      Array.from({ length: 0x90 }, (_, at) => String.fromCodePoint(from + at)),
    )
    for (const character of ranges.flat()) {
      const bytes = jsonBytes(character) - 2
      expect(clip(character, bytes).hidden, character).toBe(0)
      expect(clip(character, bytes - 1).text, character).toBe('')
    }
  })

  it('an ellipsis fits into the limit too', () => {
    expect(clipped('abcdefgh', 6)).toBe('abc…')
    expect(jsonBytes(clipped('漢'.repeat(100), 50)) - 2).toBeLessThanOrEqual(50)
  })
})

describe('the text of a notification', () => {
  const rows: [string, string, string][] = [
    ['a tool’s name stays readable', 'write_file on files', 'write_file on files'],
    ['a mention is escaped', '<!channel> & <@U1>', '&lt;!channel&gt; &amp; &lt;@U1&gt;'],
    ['marks become look-alikes', '*a* ~b~ `c` _d_', '∗a∗ ∼b∼ ˋcˋ ˍdˍ'],
    ['an emoji’s name stays text', ':tada: at 10:30', '꞉tada: at 10:30'],
  ]
  it.each(rows)('%s', (_sentence, text, expected) => {
    expect(fallbackText(text)).toBe(expected)
  })
})

it('a date holds nothing but its number', () => {
  expect(date(epochMs(Date.UTC(2030, 0, 2, 3, 4, 5)))).toBe(
    '<!date^1893553445^{date_short_pretty} {time}|2030-01-02 03:04 UTC>',
  )
})

describe('a delivery runs once', () => {
  const time = { now: 0 }
  const fresh = () => createOnce({ now: () => epochMs(time.now) })

  it('the same body a second time does not run', () => {
    const once = fresh()
    expect([once.first({ a: 1 }), once.first({ a: 1 }), once.first({ a: 2 })]).toEqual([true, false, true])
  })

  it('a body that failed may come again', () => {
    const once = fresh()
    once.first({ a: 1 })
    once.forget({ a: 1 })
    expect(once.first({ a: 1 })).toBe(true)
  })

  it('is remembered as long as its signature can be fresh, and no longer', () => {
    const once = fresh()
    time.now = 0
    once.first({ a: 1 })
    time.now = 6 * 60_000 - 1
    expect(once.first({ a: 1 })).toBe(false)
    time.now = 6 * 60_000
    expect(once.first({ a: 1 })).toBe(true)
  })

  it('remembers no more than its limit, and forgets the oldest', () => {
    const once = fresh()
    for (let at = 0; at <= SEEN_REQUESTS_MAX; at += 1) once.first(at)
    expect(once.first(SEEN_REQUESTS_MAX)).toBe(false)
    expect(once.first(0)).toBe(true)
  })
})

describe('[REQ-CARD-3] across replicas', () => {
  const anywhere = () => {
    const seen = new Set<string>()
    return async (delivery: string) => seen.size < seen.add(delivery).size
  }
  it.each<[string, object, boolean]>([
    ['a click runs once', { type: 'block_actions', trigger_id: '1' }, false],
    ['a submitted window runs once', { type: 'view_submission', trigger_id: '1' }, false],
    ['a command has its own way to tell', { command: '/countersign', trigger_id: '1' }, true],
    ['an event only paints', { type: 'event_callback', event_id: '1' }, true],
  ])('%s', async (_sentence, body, again) => {
    const isFirst = anywhere()
    expect(await isFirstAnywhere(body, isFirst)).toBe(true)
    expect(await isFirstAnywhere(structuredClone(body), isFirst)).toBe(again)
    expect(await isFirstAnywhere({ ...body, trigger_id: '2' }, isFirst)).toBe(true)
  })

  it('where nobody can tell, the handler is asked, which needs the same store', async () => {
    const away = async () => Promise.reject(new Error('away'))
    expect(await isFirstAnywhere({ type: 'block_actions' }, away)).toBe(true)
  })

  it('a menu that is asked for options is no decision', () => {
    expect([isQuestion({ type: 'block_suggestion' }), isQuestion({ type: 'block_actions' })]).toEqual([true, false])
  })
})

describe('what Bolt logs', () => {
  it('loses values: only the first text and an error’s code stay', () => {
    const lines: unknown[] = []
    const write = (message: string) => lines.push(message)
    const logger = boltLogger({ info: write, warn: write, error: write })
    logger.debug('payload with a secret')
    logger.warn('went wrong', { token: 'xoxb-secret' })
    logger.error(Object.assign(new Error('xoxb-secret'), { code: 'slack_webapi_request_error' }))
    expect(lines).toEqual(['slack: went wrong', 'slack: slack_webapi_request_error'])
  })

  it('an error without a code has a name', () => {
    expect([errorName(new TypeError('x')), errorName('x')]).toEqual(['TypeError', 'unknown error'])
  })
})
