/**
 * The page: three lists that repaint from what the gateway says.
 *
 * Pending cards stand oldest first and new ones join at the end, so nothing moves under the pointer. A decided card
 * stays where it was for a moment, showing who decided, then goes to Decided; whoever works with the keyboard is put on
 * the next card.
 */
import { createCard, waits } from './card.js'
import { byId, say } from './dom.js'
import { openLink } from './link.js'
import { noticeElement, sessionElement } from './session.js'

/** Long enough to read "Approved by …" where one was looking. */
const DECIDED_STAYS_MS = 3_000
/** DECIDED_SHOWN_MAX, SUMMARIES_MAX and NOTICES_MAX in feed.ts. */
const DECIDED_MAX = 30
const SESSIONS_MAX = 50
const NOTICES_MAX = 50
/** The gateway told how many more are pending than it sent; they are fetched once few are left. */
const REFILL_BELOW = 20

/**
 * @typedef {import('../view.ts').CardView} CardView
 * @typedef {import('../view.ts').StateView} StateView
 * @typedef {import('../view.ts').SummaryView} SummaryView
 * @typedef {import('../view.ts').NoticeView} NoticeView
 * @typedef {import('./card.js').CardOnPage} CardOnPage
 */

const pendingList = byId('pending-list')
const decidedList = byId('decided-list')
const sessionsList = byId('sessions-list')
const noticesList = byId('notices-list')

/** @type {Map<string, CardOnPage>} every card on the page, in either list */
const cards = new Map()
/** @type {Set<string>} summaries on the page */
const sessions = new Set()
/** @type {Set<string>} notices on the page, by their ids */
const notices = new Set()
let pendingMore = 0
/** How far the gateway's clock is ahead of this machine's. Milliseconds. */
let clockAheadMs = 0

/** @type {import('./card.js').Actions} */
const actions = {
  review: (click) => tell('/console/api/reviews', click),
  resolveRun: (click) => tell('/console/api/runs', click),
  whole: async (approvalId) => {
    const answer = await fetch(`/console/api/approvals/${encodeURIComponent(approvalId)}`)
    if (!answer.ok) throw new Error(`status ${answer.status}`)
    return (await answer.json()).card
  },
  repaint: (card) => applyCard(card),
}

/** @param {string} url @param {unknown} click @returns {Promise<import('./card.js').Answer>} */
async function tell(url, click) {
  try {
    const answer = await post(url, click)
    if (answer.status === 401) link.signedOut()
    const body = await answer.json()
    if (body.error) return { message: `${body.error.message} ${body.error.cure}`, card: null }
    return { message: body.ok ? null : body.message, card: body.card, link: body.link ?? null }
  } catch {
    return { message: 'No answer from the gateway. This card will show what was decided when it is back.', card: null }
  }
}

/** @param {CardView} view @param {{ quietly?: boolean }} [how] */
function applyCard(view, { quietly = false } = {}) {
  const known = cards.get(view.approvalId)
  if (known === undefined) addCard(view, quietly)
  else updateCard(known, view)
  paintCounts()
}

/** @param {CardView} view @param {boolean} quietly */
function addCard(view, quietly) {
  const card = createCard(view, actions)
  cards.set(view.approvalId, card)
  card.tick(gatewayNow())
  if (waits(view)) {
    putWaiting(card)
    if (!quietly) byId('announcer').textContent = `New: ${view.headline}`
  } else moveToDecided(card)
  card.measure()
}

/** Calls of which nobody knows whether they ran come first: their agents are told not to go on. @param {CardOnPage} card */
function putWaiting(card) {
  if (!card.view().asksWhetherItRan) return pendingList.append(card.element)
  card.unfold()
  pendingList.prepend(card.element)
  return settlePending()
}

/** @param {CardOnPage} card @param {CardView} view */
function updateCard(card, view) {
  const wasWaiting = waits(card.view())
  const hadFocus = card.hasFocus()
  const buttonsMove = card.notesChange(view)
  card.update(view)
  if (buttonsMove) settlePending()
  if (!wasWaiting && waits(card.view())) {
    putWaiting(card)
    byId('announcer').textContent = `${card.view().outcome ?? ''} ${card.view().headline}`
    return
  }
  if (!wasWaiting || waits(card.view())) return
  // The button that was pressed is gone now, and the browser would start again at the top.
  if (hadFocus) card.focus()
  byId('announcer').textContent = card.view().outcome ?? ''
  settlePending()
  setTimeout(() => {
    if (!cards.has(card.id) || waits(card.view())) return
    const next = card.hasFocus() ? (nextPending(card) ?? byId('pending-title')) : null
    moveToDecided(card)
    settlePending()
    paintCounts()
    next?.focus()
  }, DECIDED_STAYS_MS)
}

/** @param {CardOnPage} card */
function moveToDecided(card) {
  card.fold()
  const at = card.view().resolvedAt ?? 0
  const older = [...decidedList.children].find((element) => resolvedAtOf(element) <= at) ?? null
  decidedList.insertBefore(card.element, older)
  for (const extra of [...decidedList.children].slice(DECIDED_MAX)) forget(extra)
}

/** @param {Element} element */
function cardOf(element) {
  return element instanceof HTMLElement ? cards.get(element.dataset.approval ?? '') : undefined
}

/** @param {Element} element */
function resolvedAtOf(element) {
  return cardOf(element)?.view().resolvedAt ?? 0
}

/** @param {Element} element */
function forget(element) {
  const card = cardOf(element)
  if (card !== undefined) cards.delete(card.id)
  element.remove()
}

/** @param {CardOnPage} card */
function nextPending(card) {
  const waiting = pendingCards().filter((other) => waits(other.view()))
  const after = card.element.compareDocumentPosition.bind(card.element)
  return waiting.find((other) => after(other.element) & Node.DOCUMENT_POSITION_FOLLOWING) ?? waiting[0]
}

function pendingCards() {
  return [...pendingList.children].map(cardOf).filter((card) => card !== undefined)
}

function settlePending() {
  for (const card of pendingCards()) card.settle()
}

/** The whole truth, on connect: what the page has and the gateway no longer names is gone. @param {StateView} state */
function applyState(state) {
  clockAheadMs = state.now - Date.now()
  pendingMore = state.pendingMore
  say(byId('reviewer'), `You are ${state.reviewer.name}`)
  say(byId('notice'), null)
  const first = cards.size === 0
  const named = new Set([...state.pending, ...state.decided].map((view) => view.approvalId))
  for (const card of cards.values()) if (!named.has(card.id)) forget(card.element)
  for (const view of state.pending) applyCard(view, { quietly: first })
  for (const view of [...state.decided].reverse()) applyCard(view, { quietly: true })
  for (const summary of [...state.sessions].reverse()) addSession(summary)
  for (const notice of [...state.notices].reverse()) addNotice(notice)
  paintCounts()
}

/** @param {SummaryView} summary */
function addSession(summary) {
  if (sessions.has(summary.recordingId)) return
  sessions.add(summary.recordingId)
  sessionsList.prepend(sessionElement(summary))
  if (sessionsList.children.length > SESSIONS_MAX) sessionsList.lastElementChild?.remove()
  paintCounts()
}

/** @param {NoticeView} notice */
function addNotice(notice) {
  if (notices.has(notice.id)) return
  notices.add(notice.id)
  noticesList.prepend(noticeElement(notice))
  if (noticesList.children.length > NOTICES_MAX) noticesList.lastElementChild?.remove()
  byId('notices').hidden = false
}

function paintCounts() {
  const waiting = pendingCards().filter((card) => waits(card.view())).length
  const total = waiting + pendingMore
  document.title = total === 0 ? 'Countersign' : `(${total}) Countersign`
  byId('pending-title').textContent = total === 0 ? 'Waiting for you' : `Waiting for you (${total})`
  byId('pending-empty').hidden = pendingList.children.length > 0
  byId('decided-empty').hidden = decidedList.children.length > 0
  byId('sessions-empty').hidden = sessionsList.children.length > 0
  say(byId('pending-more'), pendingMore === 0 ? null : `${pendingMore} more wait behind these.`)
  if (pendingMore > 0 && waiting < REFILL_BELOW) void refill()
}

let refilling = false
async function refill() {
  if (refilling) return
  refilling = true
  try {
    const answer = await fetch('/console/api/state')
    if (answer.ok) applyState(await answer.json())
  } catch {
    // The line is down too, and says so; the next state brings them.
  } finally {
    refilling = false
  }
}

/** @param {'connecting' | 'live' | 'lost' | 'signed-out'} state */
function paintLine(state) {
  const words = { connecting: 'Connecting…', live: 'Live', lost: 'Reconnecting…', 'signed-out': 'Signed out' }
  byId('connection').dataset.state = state
  say(byId('connection'), words[state])
  if (state === 'lost') say(byId('notice'), 'The line to the gateway is down. What you see may be old.')
  if (state === 'signed-out') showSignedOut()
}

/** Nobody without a sign-in sees anything: not on a page that was left open either. */
function showSignedOut() {
  cards.clear()
  sessions.clear()
  notices.clear()
  for (const list of [pendingList, decidedList, noticesList, sessionsList]) list.replaceChildren()
  pendingMore = 0
  document.title = 'Countersign'
  document.querySelector('main')?.remove()
  byId('reviewer').hidden = true
  byId('sign-out').hidden = true
  say(byId('notice'), 'You are signed out. Open the one-time link that the gateway prints when it starts.')
}

/** @param {string} url @param {unknown} body */
function post(url, body) {
  return fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
}

function gatewayNow() {
  return Date.now() + clockAheadMs
}

byId('sign-out').addEventListener('click', async () => {
  await post('/console/api/sign-out', {})
  link.signedOut()
})

setInterval(() => {
  for (const card of pendingCards()) card.tick(gatewayNow())
}, 1_000)

const link = openLink({
  state: applyState,
  card: (view, now) => {
    clockAheadMs = now - Date.now()
    applyCard(view)
  },
  session: addSession,
  notice: (notice) => {
    addNotice(notice)
    byId('announcer').textContent = notice.headline
  },
  trouble: (code) =>
    say(
      byId('notice'),
      `The gateway cannot read its approvals (${code}). What you see may be old; nothing goes through meanwhile.`,
    ),
  line: paintLine,
})
