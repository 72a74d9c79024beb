/**
 * The line to the gateway: EventSource, opened again with growing pauses, and taken for dead when the beat stays out.
 *
 * EventSource gives up for good on an error answer and never notices a line that is only silent. After either, the state
 * is asked for once by fetch, because only fetch tells why: signed out is final, everything else is tried again.
 */

/** Three of the feed's beats (BEAT_MS in feed.ts). */
const SILENCE_MS = 30_000
const PAUSE_MIN_MS = 500
const PAUSE_MAX_MS = 15_000

/**
 * @typedef {import('../view.ts').StateView} StateView
 * @typedef {import('../view.ts').CardView} CardView
 * @typedef {import('../view.ts').SummaryView} SummaryView
 * @typedef {import('../view.ts').NoticeView} NoticeView
 * @typedef {{
 *   state(state: StateView): void
 *   card(card: CardView, now: number): void
 *   session(summary: SummaryView): void
 *   notice(notice: NoticeView): void
 *   trouble(code: string): void
 *   line(state: 'connecting' | 'live' | 'lost' | 'signed-out'): void
 * }} Listener
 */

/** @param {Listener} listener */
export function openLink(listener) {
  let pause = PAUSE_MIN_MS
  /** @type {EventSource | null} */
  let source = null
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence

  const heard = () => {
    clearTimeout(silence)
    silence = setTimeout(lose, SILENCE_MS)
  }

  /** @param {string} name @param {(data: any) => void} handle */
  const on = (name, handle) =>
    source?.addEventListener(name, (event) => {
      heard()
      handle(JSON.parse(event.data))
    })

  const stop = () => {
    clearTimeout(silence)
    source?.close()
    source = null
  }

  const signedOut = () => {
    stop()
    listener.line('signed-out')
  }

  const lose = async () => {
    stop()
    listener.line('lost')
    const wait = pause * (0.75 + Math.random() / 2)
    pause = Math.min(pause * 2, PAUSE_MAX_MS)
    await new Promise((resolve) => setTimeout(resolve, wait))
    if (await isSignedOut()) signedOut()
    else connect()
  }

  const connect = () => {
    source = new EventSource('/console/events')
    heard()
    source.onerror = lose
    on('state', (state) => {
      pause = PAUSE_MIN_MS
      listener.line('live')
      listener.state(state)
    })
    on('card', ({ card, now }) => listener.card(card, now))
    on('session', ({ summary }) => listener.session(summary))
    on('notice', ({ notice }) => listener.notice(notice))
    on('trouble', ({ code }) => listener.trouble(code))
    on('beat', () => {})
    on('signed-out', signedOut)
  }

  listener.line('connecting')
  connect()
  return { signedOut }
}

async function isSignedOut() {
  try {
    return (await fetch('/console/api/state')).status === 401
  } catch {
    return false
  }
}
