/**
 * A person at the console, without the browser: redeems the one-time link, keeps the cookie, and clicks through the
 * same endpoints and the same checks as the page does. For `npm run demo -- --auto` and for tests.
 */
export interface ClickAnswer {
  readonly status: number
  readonly body: {
    readonly ok?: boolean
    readonly refusal?: string
    readonly message?: string
    readonly link?: string | null
  }
}

export interface ConsoleReviewer {
  /** `GET /console/api/state`, as JSON text and parsed. */
  state(): Promise<{ readonly text: string; readonly json: ConsoleState }>
  click(approvalId: string, choice: 'approve' | 'deny', reason?: string): Promise<ClickAnswer>
  /** This call, and the like for as long. */
  approveFor(approvalId: string, allowForMs: number): Promise<ClickAnswer>
  /** "It ran" or "It did not run", of a call of which nobody knows. */
  resolveRun(approvalId: string, ran: boolean): Promise<ClickAnswer>
}

export interface ConsoleState {
  /** The gateway's clock, milliseconds since the epoch. */
  readonly now: number
  readonly pending: readonly ShownCard[]
  readonly decided: readonly ShownCard[]
  readonly sessions: readonly { readonly recordingId: string; readonly recordingHash: string }[]
}

export interface ShownCard {
  readonly approvalId: string
  readonly state: string
  readonly headline: string
  readonly requestedAt: number
  readonly expiresAt: number
  readonly tool: string
  readonly arguments: readonly { readonly name: string; readonly value: string }[]
  readonly outcome: string | null
  /** Of words, and instants in milliseconds. */
  readonly notes: readonly (readonly (string | number)[])[]
  readonly asksWhetherItRan: boolean
}

export async function openConsole(link: string): Promise<ConsoleReviewer> {
  const { origin, searchParams } = new URL(link)
  const opened = await fetch(`${origin}/console/open`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin, 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({ code: searchParams.get('code') ?? '' }),
  })
  const cookie = opened.headers.getSetCookie().map((line) => line.split(';')[0])
  if (opened.status !== 303 || cookie.length === 0) throw new Error(`the console refused the link (${opened.status})`)
  const headers = { cookie: cookie.join('; '), origin, 'sec-fetch-site': 'same-origin' }
  return {
    async state() {
      const answer = await fetch(`${origin}/console/api/state`, { headers })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`the console answered ${answer.status}: ${text}`)
      return { text, json: JSON.parse(text) as ConsoleState }
    },
    click: (approvalId, choice, reason) => post('reviews', { approvalId, choice, reason: reason ?? null }),
    approveFor: (approvalId, allowForMs) =>
      post('reviews', { approvalId, choice: 'approve', reason: null, allowForMs }),
    resolveRun: (approvalId, ran) => post('runs', { approvalId, ran }),
  }

  async function post(what: 'reviews' | 'runs', body: object): Promise<ClickAnswer> {
    const answer = await fetch(`${origin}/console/api/${what}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: answer.status, body: (await answer.json()) as ClickAnswer['body'] }
  }
}
