/** What a person does in their Slack client, and how Slack carries it to the app: signed, timed, sent again. */
import { createHmac, randomUUID } from 'node:crypto'
import type { WebSocket } from 'ws'
import type { FakeView, World } from './fake-slack-world.ts'
import { type Block, ruleMessageBlocks, ruleModal } from './slack-block-rules.ts'

/** interactivity/handling-user-interaction: acknowledge within 3 seconds. */
const ACK_WITHIN_MS = 3000

/** What a person's client saw of one click. */
export interface Ack {
  /** Acknowledged with 200 (or over the socket) within 3 seconds. */
  readonly ok: boolean
  readonly status: number | null
  readonly body: unknown
  readonly tookMs: number
  readonly attempts: number
  /** What Slack would show: `operation_timeout`, `http_401`, … */
  readonly error: string | null
}

export interface Delivery {
  readonly payload: unknown
  readonly userId?: string
  /** As Slack sends them; each can be spoilt for a test. */
  readonly timestampSec?: number
  readonly signature?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly contentType?: string
  /** Sent as it stands, in place of the form with the payload. */
  readonly rawBody?: string
}

export interface Click {
  readonly messageTs: string
  readonly actionId: string
  readonly userId: string
  /** Says another workspace than ours in the payload. */
  readonly teamId?: string
  /** How often a failed delivery is sent again, with X-Slack-Retry-Num. */
  readonly retries?: number
}

function person(world: World, userId: string) {
  const user = world.users.get(userId)
  if (user === undefined) throw new Error(`the fake Slack has no user ${userId}`)
  return { id: userId, username: user.name, name: user.name, team_id: user.teamId ?? world.teamId }
}

function trigger(world: World, userId: string): string {
  const id = `${++world.serial}.${world.teamId}.${randomUUID().replaceAll('-', '')}`
  world.triggers.set(id, { userId, at: Date.now(), used: false })
  return id
}

export function common(world: World, userId: string, teamId = world.teamId) {
  return {
    user: person(world, userId),
    api_app_id: 'A0FAKE',
    token: 'legacy-verification-token',
    trigger_id: trigger(world, userId),
    team: { id: teamId, domain: 'fake' },
    enterprise: null,
    is_enterprise_install: false,
  }
}

function buttonOf(blocks: readonly Block[], actionId: string) {
  for (const [index, block] of blocks.entries()) {
    const button = block.type === 'actions' ? block.elements.find((one) => one.action_id === actionId) : undefined
    if (button !== undefined) {
      return { ...button, block_id: block.block_id ?? `b${index}`, action_ts: (Date.now() / 1000).toFixed(6) }
    }
  }
  throw new Error(`there is no button ${actionId} to click`)
}

export function blockActions(world: World, { messageTs, actionId, userId, teamId }: Click) {
  const message = world.messages.find((one) => one.ts === messageTs)
  if (message === undefined) throw new Error(`there is no message ${messageTs} to click`)
  const key = randomUUID()
  world.responseUrls.set(key, { userId, channel: message.channel, at: Date.now(), uses: 0 })
  return {
    type: 'block_actions',
    ...common(world, userId, teamId),
    container: { type: 'message', message_ts: messageTs, channel_id: message.channel, is_ephemeral: false },
    channel: { id: message.channel, name: 'approvals' },
    message: { type: 'message', user: 'U0BOT', ts: messageTs, text: message.text, blocks: message.blocks },
    state: { values: {} },
    response_url: `${world.baseUrl}/response/${key}`,
    actions: [buttonOf(message.blocks, actionId)],
  }
}

export async function click(world: World, wanted: Click): Promise<Ack> {
  return send(world, blockActions(world, wanted), wanted.retries ?? 0)
}

function openView(world: World, viewId: string): FakeView {
  const view = world.views.find((one) => one.id === viewId && one.open)
  if (view === undefined) throw new Error(`there is no open view ${viewId}`)
  return view
}

function viewPayload(world: World, view: FakeView, values: unknown) {
  return {
    id: view.id,
    team_id: world.teamId,
    hash: view.hash,
    state: { values },
    private_metadata: '',
    ...view.modal,
  }
}

export async function clickInView(
  world: World,
  wanted: { viewId: string; actionId: string; userId: string },
): Promise<Ack> {
  const view = openView(world, wanted.viewId)
  const payload = {
    type: 'block_actions',
    ...common(world, wanted.userId),
    container: { type: 'view', view_id: view.id },
    view: viewPayload(world, view, {}),
    actions: [buttonOf(view.modal.blocks, wanted.actionId)],
  }
  return send(world, payload, 0)
}

export async function submitView(
  world: World,
  submission: { viewId: string; userId: string; values: Record<string, Record<string, string>> },
): Promise<Ack> {
  const view = openView(world, submission.viewId)
  const payload = {
    type: 'view_submission',
    ...common(world, submission.userId),
    view: viewPayload(world, view, stateOf(view, submission.values)),
    response_urls: [],
  }
  const ack = await send(world, payload, 0)
  const answer = typeof ack.body === 'object' && ack.body !== null ? (ack.body as Record<string, unknown>) : {}
  if (!ack.ok) return ack
  // surfaces/modals: nothing closes this window, `clear` closes all of them, `update` shows another in its place.
  if (answer.response_action === undefined) view.open = false
  if (answer.response_action === 'clear') {
    for (const other of world.views) if (other.userId === view.userId) other.open = false
  }
  if (answer.response_action === 'update') {
    const ruled = ruleModal(JSON.stringify(answer.view))
    if (!ruled.ok) throw new Error(`Slack refuses the window: ${ruled.error} ${ruled.messages.join(' ')}`)
    Object.assign(view, { modal: ruled.value, hash: randomUUID() })
  }
  world.changed.emit('change')
  return ack
}

/** What was written and chosen, and what stood chosen from the beginning. */
function stateOf(view: FakeView, values: Record<string, Record<string, string>>) {
  const state: Record<string, Record<string, unknown>> = {}
  for (const block of view.modal.blocks) {
    if (block.type !== 'input' || block.block_id === undefined) continue
    const { element } = block
    const given = values[block.block_id]?.[element.action_id]
    if (element.type === 'plain_text_input') {
      state[block.block_id] = { [element.action_id]: { type: element.type, value: given ?? null } }
    } else if (element.type === 'radio_buttons') {
      const option = element.options.find(({ value }) => value === given) ?? element.initial_option ?? null
      state[block.block_id] = { [element.action_id]: { type: element.type, selected_option: option } }
    }
  }
  return state
}

/** Over the socket where one is connected, else by HTTP; sent again as often as asked while it fails. */
async function send(world: World, payload: unknown, retries: number): Promise<Ack> {
  let ack = await sendOnce(world, payload, 0)
  for (let attempts = 1; !ack.ok && attempts <= retries; attempts += 1) {
    ack = { ...(await sendOnce(world, payload, attempts)), attempts: attempts + 1 }
  }
  return ack
}

export async function sendOnce(world: World, payload: unknown, retry: number): Promise<Ack> {
  const [socket] = world.sockets
  if (socket !== undefined) return overSocket(socket, payload, retry)
  const headers = retry > 0 ? { 'x-slack-retry-num': String(retry), 'x-slack-retry-reason': 'http_timeout' } : {}
  return deliver(world, { payload, headers })
}

/** apis/events-api/using-socket-mode: an envelope names what is in it. */
export async function overSocket(
  socket: WebSocket,
  payload: unknown,
  retry: number,
  kind: 'interactive' | 'slash_commands' | 'events_api' = 'interactive',
): Promise<Ack> {
  const envelope = { envelope_id: randomUUID(), type: kind, accepts_response_payload: kind !== 'events_api', payload }
  const startedAt = Date.now()
  return new Promise((resolve) => {
    const late = setTimeout(() => done(null, 'operation_timeout'), ACK_WITHIN_MS)
    const onMessage = (data: Buffer) => {
      const answer = JSON.parse(String(data)) as { envelope_id?: string; payload?: unknown }
      if (answer.envelope_id === envelope.envelope_id) done(answer.payload ?? null, null)
    }
    socket.on('message', onMessage)
    const again = retry > 0 ? { retry_attempt: retry, retry_reason: 'timeout' } : {}
    socket.send(JSON.stringify({ ...envelope, ...again }))

    function done(body: unknown, error: string | null): void {
      clearTimeout(late)
      socket.off('message', onMessage)
      resolve({ ok: error === null, status: null, body, tookMs: Date.now() - startedAt, attempts: 1, error })
    }
  })
}

/** authentication/verifying-requests-from-slack: v0=HMAC-SHA256(secret, "v0:timestamp:body"). */
export async function deliver(world: World, delivery: Delivery): Promise<Ack> {
  if (world.eventsUrl === null) throw new Error('tell the fake Slack where to deliver: deliverTo(url)')
  const body = delivery.rawBody ?? `payload=${encodeURIComponent(JSON.stringify(delivery.payload))}`
  const stamp = String(delivery.timestampSec ?? Math.floor(Date.now() / 1000))
  const hmac = createHmac('sha256', world.signingSecret).update(`v0:${stamp}:${body}`).digest('hex')
  const startedAt = Date.now()
  const since = () => Date.now() - startedAt
  try {
    const response = await fetch(world.eventsUrl, {
      method: 'POST',
      headers: {
        'content-type': delivery.contentType ?? 'application/x-www-form-urlencoded',
        'x-slack-request-timestamp': stamp,
        'x-slack-signature': delivery.signature ?? `v0=${hmac}`,
        ...delivery.headers,
      },
      body,
      signal: AbortSignal.timeout(ACK_WITHIN_MS),
    })
    const answer = parsed(await response.text())
    const error = response.status === 200 ? null : `http_${response.status}`
    return { ok: error === null, status: response.status, body: answer, tookMs: since(), attempts: 1, error }
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError'
    const word = late ? 'operation_timeout' : 'connection_failed'
    return { ok: false, status: null, body: null, tookMs: since(), attempts: 1, error: word }
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

export interface SlashCommand {
  /** `/countersign` */
  readonly command: string
  /** As typed: the fake escapes it the way a command with `should_escape` gets it. */
  readonly text: string
  readonly userId: string
  readonly channelId?: string
  /** Says another workspace than ours in the payload. */
  readonly teamId?: string
  /** Sent as it stands, as for a command without `should_escape`. */
  readonly isUnescaped?: boolean
}

/** interactivity/implementing-slash-commands, "Understanding the payload": a form, every value of it text. */
export function slashPayload(world: World, wanted: SlashCommand): Record<string, string> {
  const { command, text, userId, channelId = 'C0APPROVALS', teamId = world.teamId, isUnescaped = false } = wanted
  const key = randomUUID()
  world.responseUrls.set(key, { userId, channel: channelId, at: Date.now(), uses: 0 })
  return {
    token: 'legacy-verification-token',
    team_id: teamId,
    team_domain: 'fake',
    channel_id: channelId,
    channel_name: 'approvals',
    user_id: userId,
    user_name: person(world, userId).name,
    command,
    text: isUnescaped ? text : escapedText(world, text),
    api_app_id: 'A0FAKE',
    is_enterprise_install: 'false',
    response_url: `${world.baseUrl}/response/${key}`,
    trigger_id: trigger(world, userId),
  }
}

/** The same page, "Creating a slash command": people and addresses come as links, and what would be one is escaped. */
function escapedText(world: World, text: string): string {
  const plain = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const linked = plain.replace(/[^\s@:]+@[^\s@]+\.[^\s@]+/g, (address) => `<mailto:${address}|${address}>`)
  return linked.replace(/(^|\s)@([^\s@]+)/g, (all, before: string, name: string) => {
    const user = [...world.users.values()].find((one) => one.name === name)
    return user === undefined ? all : `${before}<@${user.id}|${name}>`
  })
}

/** Over the socket where one is connected, else by HTTP. The acknowledgement's body is what its person alone sees. */
export async function sendSlash(world: World, payload: Record<string, string>): Promise<Ack> {
  const [socket] = world.sockets
  const ack =
    socket === undefined
      ? await deliver(world, { payload: null, rawBody: new URLSearchParams(payload).toString() })
      : await overSocket(socket, payload, 0, 'slash_commands')
  if (ack.ok) showAnswer(world, payload, ack.body)
  return ack
}

function showAnswer(world: World, payload: Record<string, string>, body: unknown): void {
  if (typeof body !== 'object' || body === null) return
  const { text = '', blocks } = body as { text?: string; blocks?: unknown }
  const ruled = blocks === undefined ? { ok: true as const, value: [] } : ruleMessageBlocks(JSON.stringify(blocks))
  // Slack shows the person an error in place of what it does not take.
  if (!ruled.ok) throw new Error(`Slack refuses the answer to a command: ${ruled.error}`)
  const { user_id: userId = '', channel_id: channel = '' } = payload
  world.ephemerals.push({ userId, channel, text, blocks: ruled.value, via: 'command' })
  world.changed.emit('change')
}
