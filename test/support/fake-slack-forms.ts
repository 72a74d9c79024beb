/**
 * What a person does with commands, forms and App Home in their Slack client: each rule cites its page below
 * docs.slack.dev. A form keeps what was chosen in it, as a client does.
 */
import { type Ack, common, deliver, overSocket, sendOnce } from './fake-slack-client.ts'
import type { FakeView, World } from './fake-slack-world.ts'
import { type Block, type MenuOption, type Modal, ruleModal, ruleSuggestions } from './slack-block-rules.ts'

type Input = Extract<Block, { type: 'input' }>
type State = Record<string, Record<string, unknown>>

const inputsOf = ({ blocks }: Modal): readonly Input[] => blocks.filter((block) => block.type === 'input')

/** reference/views/modal-views: what was entered stays in blocks whose block_id and action_id stay. */
export function keptState(view: FakeView, next: Modal): State {
  const kept: State = {}
  for (const { block_id: id, element } of inputsOf(next)) {
    const before = id === undefined ? undefined : view.state?.[id]?.[element.action_id]
    if (id !== undefined && before !== undefined) kept[id] = { [element.action_id]: before }
  }
  return kept
}

/** interactivity/implementing-slash-commands: form-encoded, at the command's own URL. */
export async function slash(
  world: World,
  { command, text = '', userId, teamId }: { command: string; text?: string; userId: string; teamId?: string },
): Promise<Ack> {
  const { trigger_id: triggerId, user, team } = common(world, userId, teamId)
  const fields = {
    token: 'legacy-verification-token',
    team_id: team.id,
    team_domain: 'fake',
    channel_id: 'C0APPROVALS',
    channel_name: 'approvals',
    user_id: userId,
    user_name: user.name,
    command,
    text,
    api_app_id: 'A0FAKE',
    is_enterprise_install: 'false',
    response_url: `${world.baseUrl}/response/none`,
    trigger_id: triggerId,
  }
  const [socket] = world.sockets
  if (socket !== undefined) return overSocket(socket, fields, 0, 'slash_commands')
  return deliver(world, { payload: null, rawBody: new URLSearchParams(fields).toString() })
}

/** reference/events/app_home_opened */
export async function openHome(
  world: World,
  { userId, tab = 'home', teamId }: { userId: string; tab?: 'home' | 'messages'; teamId?: string },
): Promise<Ack> {
  const home = world.homes.get(userId)
  const event = {
    type: 'app_home_opened',
    user: userId,
    channel: `D${userId}`,
    tab,
    event_ts: `${Date.now() / 1000}`,
    ...(home && { view: { id: home.id, team_id: world.teamId, hash: home.hash, state: { values: {} }, ...home.view } }),
  }
  const team = teamId ?? world.teamId
  const body = {
    token: 'legacy-verification-token',
    team_id: team,
    api_app_id: 'A0FAKE',
    event,
    type: 'event_callback',
    event_id: `Ev${++world.serial}`,
    event_time: Math.floor(Date.now() / 1000),
    authorizations: [{ team_id: team, user_id: 'U0BOT', is_bot: true }],
  }
  const [socket] = world.sockets
  if (socket !== undefined) return overSocket(socket, body, 0, 'events_api')
  return deliver(world, { payload: null, rawBody: JSON.stringify(body), contentType: 'application/json' })
}

/** A click in App Home. */
export async function clickInHome(
  world: World,
  { actionId, value, userId }: { actionId: string; value?: string | undefined; userId: string },
): Promise<Ack> {
  const home = world.homes.get(userId)
  if (home === undefined) throw new Error(`${userId} has not opened App Home`)
  for (const [index, block] of home.view.blocks.entries()) {
    if (block.type !== 'actions') continue
    const button = block.elements.find(
      (one) => one.action_id === actionId && (value === undefined || one.value === value),
    )
    if (button === undefined) continue
    const payload = {
      type: 'block_actions',
      ...common(world, userId),
      container: { type: 'view', view_id: home.id },
      view: {
        id: home.id,
        team_id: world.teamId,
        hash: home.hash,
        state: { values: {} },
        private_metadata: '',
        callback_id: '',
        ...home.view,
      },
      actions: [{ ...button, block_id: block.block_id ?? `b${index}`, action_ts: (Date.now() / 1000).toFixed(6) }],
    }
    return sendOnce(world, payload, 0)
  }
  throw new Error(`there is no button ${actionId} in App Home`)
}

interface Choosing {
  readonly viewId: string
  readonly userId: string
  readonly actionId: string
  /** Values of options. */
  readonly values: readonly string[]
}

/** reference/interaction-payloads/block_actions-payload: sent where the input asks for it by dispatch_action. */
export async function choose(world: World, { viewId, userId, actionId, values }: Choosing): Promise<Ack | null> {
  const view = openView(world, viewId)
  const input = inputsOf(view.modal).find(({ element }) => element.action_id === actionId)
  if (input?.block_id === undefined) throw new Error(`the form has no ${actionId}`)
  const known = optionsOf(view, input)
  const options = values.map((value) => {
    const found = known.find((one) => one.value === value)
    if (found === undefined) throw new Error(`the menu ${actionId} has no option ${value}`)
    return found
  })
  const { element, block_id: blockId } = input
  const chosen =
    element.type === 'static_select'
      ? { type: element.type, selected_option: options[0] ?? null }
      : { type: element.type, selected_options: options }
  const most = 'max_selected_items' in element ? (element.max_selected_items ?? Number.POSITIVE_INFINITY) : 1
  if (options.length > most) throw new Error('the menu lets nobody choose so many')
  view.state = { ...view.state, [blockId]: { [actionId]: chosen } }
  if (input.dispatch_action !== true) return null
  const payload = {
    type: 'block_actions',
    ...common(world, userId),
    container: { type: 'view', view_id: view.id },
    view: viewOf(world, view),
    actions: [{ ...chosen, action_id: actionId, block_id: blockId, action_ts: (Date.now() / 1000).toFixed(6) }],
  }
  return sendOnce(world, payload, 0)
}

/** Typing in a menu whose options the app has. */
export async function type(
  world: World,
  { viewId, userId, actionId, typed }: { viewId: string; userId: string; actionId: string; typed: string },
): Promise<readonly MenuOption[]> {
  const view = openView(world, viewId)
  const input = inputsOf(view.modal).find(({ element }) => element.action_id === actionId)
  if (input?.element.type !== 'multi_external_select') throw new Error(`the form has no menu ${actionId} to type in`)
  if (typed.length < (input.element.min_query_length ?? 3)) return []
  const payload = {
    type: 'block_suggestion',
    ...common(world, userId),
    container: { type: 'view', view_id: view.id },
    view: viewOf(world, view),
    action_id: actionId,
    block_id: input.block_id,
    value: typed,
  }
  const ack = await sendOnce(world, payload, 0)
  const ruled = ruleSuggestions(JSON.stringify(ack.body))
  if (!ack.ok || !ruled.ok) throw new Error(`Slack shows no options: ${ack.error ?? JSON.stringify(ack.body)}`)
  view.suggested = [...(view.suggested ?? []), ...ruled.value]
  return ruled.value
}

/** Submits the form as it stands, with what is typed in text inputs; what is required must be there. */
export async function submitForm(
  world: World,
  {
    viewId,
    userId,
    texts,
    metadata,
  }: {
    viewId: string
    userId: string
    texts: Readonly<Record<string, string>>
    /** Spoils it, as nobody's client does. */
    metadata?: string
  },
): Promise<Ack> {
  const view = openView(world, viewId)
  if (view.modal.submit === undefined) throw new Error('this window has nothing to submit')
  for (const { block_id: id, element } of inputsOf(view.modal)) {
    if (id === undefined || element.type !== 'plain_text_input') continue
    const value = texts[element.action_id] ?? null
    view.state = { ...view.state, [id]: { [element.action_id]: { type: element.type, value } } }
  }
  const missing = inputsOf(view.modal).find((input) => input.optional !== true && isEmpty(view, input))
  if (missing !== undefined) throw new Error(`Slack asks for ${missing.block_id} first`)
  const payload = {
    type: 'view_submission',
    ...common(world, userId),
    view: { ...viewOf(world, view), ...(metadata !== undefined && { private_metadata: metadata }) },
    response_urls: [],
  }
  const ack = await sendOnce(world, payload, 0)
  if (!ack.ok) return ack
  const answer = (typeof ack.body === 'object' && ack.body !== null ? ack.body : {}) as Record<string, unknown>
  if (answer.response_action === 'errors') {
    const known = new Set(inputsOf(view.modal).map(({ block_id: id }) => id))
    const unknown = Object.keys(answer.errors as object).filter((id) => !known.has(id))
    if (unknown.length > 0) throw new Error(`Slack shows no error under ${unknown.join(', ')}: there is no such input`)
  } else if (answer.response_action === 'update') {
    const ruled = ruleModal(JSON.stringify(answer.view))
    if (!ruled.ok) throw new Error(`Slack refuses the window: ${ruled.messages.join(' ')}`)
    Object.assign(view, { modal: ruled.value, state: {} })
  } else view.open = false
  world.changed.emit('change')
  return ack
}

function isEmpty(view: FakeView, { block_id: id, element }: Input): boolean {
  const entered = view.state?.[id ?? '']?.[element.action_id] as Record<string, unknown> | undefined
  if (element.type === 'static_select') return (entered?.selected_option ?? element.initial_option ?? null) === null
  if (element.type === 'plain_text_input') return (entered?.value ?? '') === ''
  return ((entered?.selected_options as unknown[] | undefined) ?? []).length === 0
}

function optionsOf(view: FakeView, { element }: Input): readonly MenuOption[] {
  if (element.type === 'multi_external_select') return view.suggested ?? []
  return 'options' in element ? element.options : []
}

/** Slack sends what stands chosen from the beginning too. */
function viewOf(world: World, view: FakeView) {
  const values: State = {}
  for (const { block_id: id, element } of inputsOf(view.modal)) {
    if (id === undefined) continue
    const untouched =
      element.type === 'static_select'
        ? { type: element.type, selected_option: element.initial_option ?? null }
        : element.type === 'plain_text_input'
          ? { type: element.type, value: null }
          : { type: element.type, selected_options: [] }
    values[id] = { [element.action_id]: view.state?.[id]?.[element.action_id] ?? untouched }
  }
  const { modal } = view
  return { id: view.id, team_id: world.teamId, hash: view.hash, private_metadata: '', ...modal, state: { values } }
}

function openView(world: World, viewId: string): FakeView {
  const view = world.views.find((one) => one.id === viewId && one.open)
  if (view === undefined) throw new Error(`there is no open view ${viewId}`)
  return view
}
