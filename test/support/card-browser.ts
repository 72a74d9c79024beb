/**
 * Cards drawn by the `adaptivecards` package in a real browser, as Teams' own clients do: with Markdown read by a real
 * parser where the client would, and without one where a text must do without. What a card shows is then looked up in the
 * page, not in its JSON.
 */
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import type { AdaptiveCard } from '../../bots/teams/card-elements.ts'

const require = createRequire(import.meta.url)

/** As far as it matters here: learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format. */
const HOST = {
  fontFamily: 'Segoe UI, Liberation Sans, sans-serif',
  supportsInteractivity: true,
  spacing: { small: 4, default: 8, medium: 12, large: 16, extraLarge: 24, padding: 12 },
  actions: { maxActions: 6, actionsOrientation: 'horizontal', actionAlignment: 'left', buttonSpacing: 8 },
}
const STYLE = `
  body { margin: 0; background: #f5f5f5; font: 14px 'Segoe UI', 'Liberation Sans', sans-serif }
  #card { background: #fff; border-radius: 4px; overflow: hidden }
  .ac-pushButton { border: 1px solid #d1d1d1; border-radius: 4px; background: #fff; padding: 5px 12px; font: 600 14px inherit }
  .ac-pushButton.style-positive { background: #5b5fc7; color: #fff }
  .ac-pushButton.style-destructive { color: #c4314b; border-color: #c4314b }
  textarea, input[type=text] { width: 100%; box-sizing: border-box }
`

export interface Drawn {
  readonly text: string
  readonly links: readonly string[]
  /** Names of elements that format, draw or run: none may come from a text. */
  readonly formats: readonly string[]
  readonly errors: readonly string[]
  /** Lower edges of the buttons by their titles. */
  readonly buttons: Readonly<Record<string, number>>
  readonly width: number
}

export interface CardBrowser {
  draw(card: AdaptiveCard, width: number): Promise<Drawn>
  screenshot(path: string): Promise<void>
}

export async function openCardBrowser(browser: Browser): Promise<CardBrowser> {
  const context = await browser.newContext({ viewport: { width: 360, height: 640 }, timezoneId: 'Europe/Berlin' })
  const page = await context.newPage()
  await page.setContent(`<!doctype html><style>${STYLE}</style><div id="card"></div>`)
  await page.addScriptTag({ path: require.resolve('adaptivecards/dist/adaptivecards.min.js') })
  await page.addScriptTag({ path: require.resolve('markdown-it/browser') })
  return {
    draw: (card, width) => draw(page, card, width),
    screenshot: async (path) => {
      await page.locator('#card').screenshot({ path })
    },
  }
}

async function draw(page: Page, card: AdaptiveCard, width: number): Promise<Drawn> {
  await page.setViewportSize({ width, height: 640 })
  const parts = { card: JSON.stringify(card), host: JSON.stringify(HOST) }
  return page.evaluate(`(${DRAW})(${JSON.stringify(parts)})`)
}

/** Runs in the page; a text, because it needs the page's own types. */
const DRAW = `({ card, host }) => {
  const AC = window.AdaptiveCards
  AC.AdaptiveCard.onProcessMarkdown = (text, result) => {
    result.outputHtml = window.markdownit({ linkify: true }).render(text)
    result.didProcess = true
  }
  const drawn = new AC.AdaptiveCard()
  drawn.hostConfig = new AC.HostConfig(JSON.parse(host))
  const context = new AC.SerializationContext(AC.Versions.v1_5)
  drawn.parse(JSON.parse(card), context)
  const errors = []
  for (let at = 0; at < context.eventCount; at += 1) errors.push(context.getEventAt(at).message)
  const place = document.getElementById('card')
  place.replaceChildren(drawn.render())
  const all = (query) => [...place.querySelectorAll(query)]
  return {
    text: place.innerText.replaceAll('\\u00a0', ' '),
    links: all('a').map((a) => a.outerHTML),
    formats: all('strong,em,del,s,h1,h2,h3,blockquote,pre,li,table,img,script,iframe').map((one) => one.outerHTML),
    errors,
    buttons: Object.fromEntries(
      all('button').map((button) => [button.innerText, Math.round(button.getBoundingClientRect().bottom)]),
    ),
    width: place.scrollWidth,
  }
}`
