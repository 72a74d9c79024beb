/**
 * What every open tab is told, as Server-Sent Events: the whole state on connect, then each change by itself.
 *
 * A change names only an id; the card is read from the store then, so a tab can be told late but never wrongly. A tab
 * joins before its first state is read and gets what happened meanwhile behind it: nothing falls between. When the store
 * cannot be read the tabs are told so, and get the whole state again once it can. A beat every few seconds lets a tab
 * see a dead line (EventSource does not), because a silent page looks exactly like a quiet night.
 */
import type { Response } from 'express'
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import type { SessionSummary } from '../../src/audit/summary.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { noticeText } from '../../src/notice/notice-text.ts'
import type { ApprovalStore, Clock, Log, Notice } from '../../src/ports.ts'
import type { NoticeView, StateView, SummaryView } from './view.ts'
import { previewView, summaryView } from './view.ts'

/** Open tabs. Each costs a socket and a copy of what is written. */
const LISTENERS_MAX = 32
/** Bytes a tab may leave unread before it is cut off; it comes back and gets the whole state. */
const LISTENER_UNREAD_MAX_BYTES = 16 * 1024 * 1024
/** Events that wait behind a joining tab's first state. More than these: it joins again. */
const JOINING_QUEUE_MAX = 1_000
/** The page takes three missed beats for a dead line: `SILENCE_MS` in assets/link.js. */
const BEAT_MS = 10_000
/** Oldest first; more would make the page unusable. */
const PENDING_SHOWN_MAX = 200
/** Looked through for those that are for the console. */
const PENDING_READ_MAX = 1_000
const PENDING_PAGE = 50
const DECIDED_SHOWN_MAX = 30
/** Summaries are posted once and kept nowhere but here; the recording is the record. */
const SUMMARIES_MAX = 50
const NOTICES_MAX = 50

export interface Feed {
  state(): Promise<StateView>
  /** Reads the approval again and tells every tab. */
  touch(id: ApprovalId): void
  /** Shown once, however often it is told. */
  summarise(summary: SessionSummary): void
  /** Shown once, however often it is told. */
  notify(id: string, notice: Notice): void
  /** False: too many tabs. The stream ends by itself once `signedIn` is false. */
  listen(res: Response, signedIn: () => boolean): boolean
  close(): void
}

export interface FeedOptions {
  readonly store: ApprovalStore
  readonly cardOf: (approval: Approval) => Card
  readonly reviewerName: string
  readonly clock: Clock
  readonly log: Log
}

/** A policy rule can send a question to other channels only; then it is not for whoever sits here. */
export function isShownHere(approval: Approval): boolean {
  return approval.channels.length === 0 || approval.channels.includes('console')
}

export function createFeed({ store, cardOf, reviewerName, clock, log }: FeedOptions): Feed {
  const tabs = createTabs()
  const summaries: SummaryView[] = []
  const notices: NoticeView[] = []
  const touched = new Set<ApprovalId>()
  const ended = new AbortController()
  let reading = false
  let behind = false

  const state = async (): Promise<StateView> => {
    const [pending, unknown, resolved] = await Promise.all([
      pendingHere(store),
      store.listUnknown(),
      store.listResolved(DECIDED_SHOWN_MAX),
    ])
    // First those of which nobody knows whether they ran: their agents are told not to go on.
    const here = [...unknown.filter(isShownHere), ...pending.approvals]
    const view = (approval: Approval) => previewView(approval, cardOf(approval))
    return {
      now: clock.now(),
      reviewer: { name: reviewerName },
      pending: here.slice(0, PENDING_SHOWN_MAX).map(view),
      pendingMore: Math.max(0, here.length - PENDING_SHOWN_MAX) + pending.unread,
      decided: resolved.filter((approval) => isShownHere(approval) && approval.run?.state !== 'unknown').map(view),
      sessions: summaries,
      notices,
    }
  }

  const fellBehind = (error: unknown): void => {
    if (!behind) log.warn('console cannot read approvals', { error: codeOf(error) })
    behind = true
    touched.clear()
    tabs.tell('trouble', { code: codeOf(error) })
  }

  const readTouched = async (): Promise<void> => {
    reading = true
    try {
      for (const id of touched) {
        touched.delete(id)
        const approval = await store.get(id)
        if (approval === null || !isShownHere(approval)) continue
        tabs.tell('card', { now: clock.now(), card: previewView(approval, cardOf(approval)) })
      }
    } catch (error) {
      fellBehind(error)
    } finally {
      reading = false
    }
  }

  const touch = (id: ApprovalId): void => {
    if (tabs.count() === 0) return
    touched.add(id)
    if (!reading) void readTouched()
  }

  const beat = async (): Promise<void> => {
    tabs.tell('beat', { now: clock.now() })
    if (!behind) return
    try {
      tabs.tell('state', await state())
      behind = false
    } catch (error) {
      fellBehind(error)
    }
  }

  const beats = setInterval(() => void beat(), BEAT_MS).unref()
  store.onChange(touch, ended.signal)

  return {
    state,
    touch,
    summarise: (summary) => {
      if (summaries.some(({ sessionId }) => sessionId === summary.sessionId)) return
      const view = summaryView(summary)
      summaries.unshift(view)
      summaries.splice(SUMMARIES_MAX)
      tabs.tell('session', { summary: view })
    },
    notify: (id, notice) => {
      if (notices.some((known) => known.id === id)) return
      const view = { id, ...noticeText(notice) }
      notices.unshift(view)
      notices.splice(NOTICES_MAX)
      tabs.tell('notice', { notice: view })
    },
    listen: (res, signedIn) => {
      const tab = tabs.join(res, signedIn)
      if (tab === null) return false
      state().then(
        (first) => tab.begin(first),
        (error) => {
          tab.begin(null)
          fellBehind(error)
        },
      )
      return true
    },
    close: () => {
      ended.abort()
      clearInterval(beats)
      tabs.close()
    },
  }
}

/** As many as a page can hold. What lies behind them is counted, and not read: each may have half a megabyte. */
async function pendingHere(store: Pick<ApprovalStore, 'listPendingPage'>) {
  const approvals: Approval[] = []
  for (let offset = 0; ; offset += PENDING_PAGE) {
    const page = await store.listPendingPage({ offset, max: PENDING_PAGE })
    approvals.push(...page.approvals.filter(isShownHere))
    const read = offset + PENDING_PAGE
    const isEnough = approvals.length >= PENDING_SHOWN_MAX || read >= PENDING_READ_MAX
    if (isEnough || read >= page.total) return { approvals, unread: Math.max(0, page.total - read) }
  }
}

interface Tab {
  /** Sends the first state and what happened since it was asked for. Null: it cannot be read now. */
  begin(first: StateView | null): void
  send(event: string): void
  end(): void
}

/** The open streams. Knows nothing of approvals. */
function createTabs() {
  const open = new Set<Tab>()

  const join = (res: Response, signedIn: () => boolean): Tab | null => {
    if (open.size >= LISTENERS_MAX) return null
    let waiting: string[] | null = []
    const write = (text: string): void => {
      if (!signedIn()) tab.end()
      else if (!res.write(text) && res.writableLength > LISTENER_UNREAD_MAX_BYTES) res.destroy()
    }
    const tab: Tab = {
      begin: (first) => {
        const missed = waiting ?? []
        waiting = null
        if (first !== null) write(eventText('state', first))
        for (const text of missed) write(text)
      },
      send: (text) => {
        if (waiting === null) write(text)
        else if (waiting.push(text) > JOINING_QUEUE_MAX) res.destroy()
      },
      end: () => {
        open.delete(tab)
        if (!res.writableEnded) res.end(eventText('signed-out', {}))
      },
    }
    open.add(tab)
    res.on('close', () => open.delete(tab))
    // X-Accel-Buffering: nginx would otherwise hold the events back until its buffer is full.
    res.set({ 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' })
    res.flushHeaders()
    return tab
  }

  return {
    count: () => open.size,
    join,
    tell: (event: string, data: unknown): void => {
      if (open.size === 0) return
      const text = eventText(event, data)
      for (const tab of [...open]) tab.send(text)
    },
    close: (): void => {
      for (const tab of [...open]) tab.end()
    },
  }
}

/** JSON has no raw line breaks, so one `data:` line holds it. */
function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

function codeOf(error: unknown): string {
  return error instanceof GatewayError ? error.code : 'internal'
}
