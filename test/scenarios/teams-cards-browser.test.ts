/**
 * Cards of Teams as a real browser draws them, by the `adaptivecards` package, with Markdown read by a real parser. What an
 * agent writes stands there as text: it formats nothing, links nowhere and becomes no time; and on a phone's first screen
 * stand what is asked and the two buttons.
 */
import path from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AdaptiveCard } from '../../bots/teams/card-elements.ts'
import { adaptiveCard, block, inert, instant, words } from '../../bots/teams/text.ts'
import { epochMs } from '../../src/brands.ts'
import { startBrowser } from '../support/browser.ts'
import { type CardBrowser, openCardBrowser } from '../support/card-browser.ts'
import { approval, outcomes, STATES } from '../support/card-examples.ts'
import { MARK, POISONS } from '../support/poisons.ts'
import { cardsOf } from '../support/teams-cards.ts'

const PHONE = 360
const DESKTOP = 720
/** The height of a small phone's screen. */
const FIRST_SCREEN = 640

let browser: Browser
let cards: CardBrowser

beforeAll(async () => {
  browser = await startBrowser()
  cards = await openCardBrowser(browser)
})
afterAll(() => browser.close())

/** A folder to look at them in. */
const SHOTS = process.env.COUNTERSIGN_CARD_SHOTS

async function keep(name: string): Promise<void> {
  if (SHOTS !== undefined) await cards.screenshot(path.join(SHOTS, `${name}.png`))
}

const shown = (at: [string, ReturnType<typeof approval>][], names: readonly string[]) =>
  at.filter(([name]) => names.includes(name))

describe('each card', () => {
  it.each(STATES)(
    '%s is drawn without a complaint, no wider than a phone, and all that it leads to',
    async (name, one) => {
      for (const [what, card] of cardsOf(one)) {
        const drawn = await cards.draw(card, PHONE)
        expect(drawn.errors, `${name} ${what}`).toEqual([])
        expect(drawn.width, `${name} ${what}`).toBeLessThanOrEqual(PHONE)
        if (what === 'card' || (name === 'pending-sql' && what !== 'last-words')) await keep(`${name}-${what}-phone`)
      }
      const [, card] = cardsOf(one)[0] ?? []
      if (card !== undefined) await cards.draw(card, DESKTOP)
      await keep(`${name}-desktop`)
    },
  )

  const everyday = [
    'pending',
    'pending-sql',
    'pending-asked',
    'pending-below-quorum',
    'pending-escalated',
    'access-pending',
  ]
  it.each(shown(STATES, everyday))(
    '[REQ-CARD-8] %s: Approve and Deny stand on a phone’s first screen',
    async (_name, one) => {
      const { buttons, text } = await cards.draw(posted(one), PHONE)
      const approve = Object.keys(buttons).find((title) => title.startsWith('Approve'))
      expect(buttons[approve ?? '']).toBeLessThanOrEqual(FIRST_SCREEN)
      expect(buttons.Deny).toBeLessThanOrEqual(FIRST_SCREEN)
      expect(text).toContain('Risk: ')
    },
  )
})

function posted(one: ReturnType<typeof approval>): AdaptiveCard {
  const [, card] = cardsOf(one)[0] ?? []
  if (card === undefined) throw new Error('nothing was painted')
  return card
}

const TEAMS_POISONS = [
  ...POISONS,
  '[here](https://evil.example)',
  '![x](https://evil.example/x.png)',
  '# Approved',
  '<at>Bob</at> <img src=x onerror=alert(1)>',
  '{{DATE(2030-01-02T03:04:05Z, SHORT)}}',
  '{{{{TIME(2030-01-02T03:04:05Z)}}}}',
  '{{DATE(2030-01-02T03:04:05Z)}}'.repeat(3),
  '- one\n- two',
  '1. one',
  '    indented',
  '&#91;x&#93;&lpar;https://evil.example&rpar;',
]

/** Each painter once; the others differ in their buttons. */
const DRAWN = ['own-reviewed', 'requester', 'dialog-approve', 'dialog-answer']

describe('text from outside', () => {
  it.each(TEAMS_POISONS)('[REQ-CARD-7] %j stands there as text', async (poison) => {
    for (const [state, one] of outcomes(poison)) {
      for (const [what, card] of cardsOf(one, `${MARK}${poison}${MARK}`).filter(([what]) => DRAWN.includes(what))) {
        const drawn = await cards.draw(card, PHONE)
        const where = `${state} ${what}`
        expect(drawn.links, where).toEqual([])
        expect(drawn.formats, where).toEqual([])
        // Times of ours are of 2030 too, and have no mark beside them.
        expect(drawn.text, where).not.toMatch(new RegExp(`${MARK}[^\n]{0,20}(Jan|1/2/2030|\\d+:04 AM)`))
      }
    }
  })

  it('stands in a title of ours as text too, and ours is a time in the reader’s zone', async () => {
    for (const poison of TEAMS_POISONS) {
      const title = block(inert(`${poison} ${MARK}`))
      const drawn = await cards.draw(adaptiveCard({ body: [title], fallbackText: words`x` }), PHONE)
      expect(drawn.links, poison).toEqual([])
      expect(drawn.formats, poison).toEqual([])
      expect(drawn.text, poison).not.toMatch(/Jan|1\/2\/2030|:04 AM/)
      expect(drawn.text, poison).toContain(MARK)
    }
    const at = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))
    const drawn = await cards.draw(adaptiveCard({ body: [block(instant(at))], fallbackText: words`x` }), PHONE)
    expect(drawn.text).toContain('4:04')
  })

  it('the drawing finds what it looks for', async () => {
    const bad = { type: 'TextBlock', text: '**bold** [x](https://evil.example) {{DATE(2030-01-02T03:04:05Z, SHORT)}}' }
    const card = { type: 'AdaptiveCard', version: '1.5', body: [bad] } as unknown as AdaptiveCard
    const drawn = await cards.draw(card, PHONE)
    expect(drawn.links).toHaveLength(1)
    expect(drawn.formats).toHaveLength(1)
    expect(drawn.text).toContain('Jan')
  })

  it('blanks in a value are not folded', async () => {
    const one = approval({ argumentsJson: JSON.stringify({ sql: 'SELECT  1\n    FROM x' }) })
    expect((await cards.draw(posted(one), PHONE)).text).toContain('SELECT  1\n    FROM x')
  })
})
