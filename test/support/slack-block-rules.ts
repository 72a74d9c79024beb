/**
 * Slack's documented rules for Block Kit, as far as this product uses it: docs.slack.dev/reference/block-kit. An unknown
 * type or field is refused, as Slack refuses it. What is not documented but known to refuse is marked so.
 */
import { z } from 'zod'

const id = z.string().min(1).max(255)

function plainText(max: number) {
  return z.strictObject({
    type: z.literal('plain_text'),
    text: z.string().min(1).max(max),
    emoji: z.boolean().optional(),
  })
}
function anyText(max: number) {
  const mrkdwn = z.strictObject({
    type: z.literal('mrkdwn'),
    text: z.string().min(1).max(max),
    verbatim: z.boolean().optional(),
  })
  return z.discriminatedUnion('type', [plainText(max), mrkdwn])
}

const richText = z.strictObject({
  type: z.literal('text'),
  text: z.string().min(1),
  style: z
    .strictObject({
      bold: z.boolean().optional(),
      italic: z.boolean().optional(),
      strike: z.boolean().optional(),
      code: z.boolean().optional(),
    })
    .optional(),
})
const richLink = z.strictObject({ type: z.literal('link'), url: z.url(), text: z.string().optional() })
const richInline = z.discriminatedUnion('type', [richText, richLink])
const richSection = z.strictObject({ type: z.literal('rich_text_section'), elements: z.array(richInline).min(1) })
const richElement = z.discriminatedUnion('type', [
  richSection,
  /** reference/block-kit/block-elements/rich-text-list-element */
  z.strictObject({
    type: z.literal('rich_text_list'),
    style: z.enum(['bullet', 'ordered']),
    elements: z.array(richSection).min(1),
    indent: z.int().min(0).max(8).optional(),
    offset: z.int().min(0).optional(),
    border: z.union([z.literal(0), z.literal(1)]).optional(),
  }),
  z.strictObject({
    type: z.literal('rich_text_preformatted'),
    elements: z.array(richInline).min(1),
    border: z.union([z.literal(0), z.literal(1)]).optional(),
  }),
])

/** reference/block-kit/composition-objects/confirmation-dialog-object */
const confirmation = z.strictObject({
  title: plainText(100),
  text: plainText(300),
  confirm: plainText(30),
  deny: plainText(30),
  style: z.enum(['primary', 'danger']).optional(),
})
const button = z.strictObject({
  type: z.literal('button'),
  text: plainText(75),
  confirm: confirmation.optional(),
  action_id: id,
  value: z.string().max(2000).optional(),
  style: z.enum(['primary', 'danger']).optional(),
  accessibility_label: z.string().max(75).optional(),
})
const plainTextInput = z.strictObject({
  type: z.literal('plain_text_input'),
  action_id: id,
  multiline: z.boolean().optional(),
  min_length: z.int().min(0).max(3000).optional(),
  max_length: z.int().min(1).max(3000).optional(),
})

/** reference/block-kit/composition-objects/option-object */
const option = z.strictObject({ text: plainText(75), value: z.string().min(1).max(150) })
/** reference/block-kit/block-elements/radio-button-group-element */
const radioButtons = z
  .strictObject({
    type: z.literal('radio_buttons'),
    action_id: id,
    options: z.array(option).min(1).max(10),
    initial_option: option.optional(),
  })
  .refine(
    ({ options, initial_option: initial }) =>
      initial === undefined || options.some((one) => JSON.stringify(one) === JSON.stringify(initial)),
    'initial_option must be one of the options',
  )
const menuOption = z.strictObject({
  text: plainText(75),
  value: z.string().min(1).max(150),
  description: plainText(75).optional(),
})
/** reference/block-kit/composition-objects/option-group-object and the menus' own pages: 100 of a kind. */
const menuOptions = z
  .array(menuOption)
  .min(1)
  .max(100)
  .refine((all) => new Set(all.map(({ value }) => value)).size === all.length, 'option value not unique')
const menu = { action_id: id, placeholder: plainText(150).optional() }
/** reference/block-kit/block-elements/select-menu-element */
const staticSelect = z
  .strictObject({
    type: z.literal('static_select'),
    ...menu,
    options: menuOptions,
    initial_option: menuOption.optional(),
  })
  .refine(
    ({ options, initial_option: initial }) =>
      initial === undefined || options.some((one) => JSON.stringify(one) === JSON.stringify(initial)),
    'initial_option must be one of the options',
  )
/** reference/block-kit/block-elements/multi-select-menu-element */
const multiSelect = { ...menu, max_selected_items: z.int().min(1).optional() }
const multiStaticSelect = z.strictObject({
  type: z.literal('multi_static_select'),
  ...multiSelect,
  options: menuOptions,
})
const multiExternalSelect = z.strictObject({
  type: z.literal('multi_external_select'),
  ...multiSelect,
  min_query_length: z.int().min(0).optional(),
})

/** reference/interaction-payloads/block_suggestion-payload */
export function ruleSuggestions(json: string): Ruling<readonly MenuOption[]> {
  const answer = z.strictObject({ options: z.array(menuOption).max(100) })
  const ruled = rule(answer, json, 'invalid_options')
  return ruled.ok ? { ok: true, value: ruled.value.options } : ruled
}
export type MenuOption = z.infer<typeof menuOption>

const block_id = id.optional()
const block = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('header'), block_id, text: plainText(150) }),
  z.strictObject({ type: z.literal('section'), block_id, text: anyText(3000) }),
  z.strictObject({ type: z.literal('divider'), block_id }),
  z.strictObject({ type: z.literal('context'), block_id, elements: z.array(anyText(3000)).min(1).max(10) }),
  z.strictObject({
    type: z.literal('actions'),
    block_id,
    elements: z
      .array(button)
      .min(1)
      .max(25)
      .refine(
        (buttons) => new Set(buttons.map((one) => one.action_id)).size === buttons.length,
        'action_id not unique',
      ),
  }),
  z.strictObject({ type: z.literal('rich_text'), block_id, elements: z.array(richElement).min(1) }),
  z.strictObject({
    type: z.literal('input'),
    block_id,
    label: plainText(2000),
    element: z.union([plainTextInput, radioButtons, staticSelect, multiStaticSelect, multiExternalSelect]),
    optional: z.boolean().optional(),
    hint: plainText(2000).optional(),
    dispatch_action: z.boolean().optional(),
  }),
])
export type Block = z.infer<typeof block>

function blocks(max: number) {
  return z
    .array(block)
    .max(max)
    .superRefine((all, context) => {
      const ids = all.flatMap((one) => (one.block_id === undefined ? [] : [one.block_id]))
      if (new Set(ids).size !== ids.length) context.addIssue({ code: 'custom', message: 'block_id not unique' })
    })
}

const messageBlocks = blocks(50).refine((all) => all.every((one) => one.type !== 'input'), 'no input in messages')
const modal = z
  .strictObject({
    type: z.literal('modal'),
    title: plainText(24),
    submit: plainText(24).optional(),
    close: plainText(24).optional(),
    blocks: blocks(100),
    private_metadata: z.string().max(3000).optional(),
    callback_id: id.optional(),
    clear_on_close: z.boolean().optional(),
    notify_on_close: z.boolean().optional(),
  })
  .refine((view) => view.submit !== undefined || view.blocks.every((one) => one.type !== 'input'), 'submit is required')
export type Modal = z.infer<typeof modal>

/** reference/views/home-tab-views */
const home = z.strictObject({
  type: z.literal('home'),
  blocks: blocks(100),
  private_metadata: z.string().max(3000).optional(),
  callback_id: id.optional(),
})
export type Home = z.infer<typeof home>

export function ruleHome(json: string): Ruling<Home> {
  if (Buffer.byteLength(json) > VIEW_BYTES_MAX) return { ok: false, error: 'view_too_large', messages: [] }
  return rule(home, json, 'invalid_arguments')
}

/** Not documented: all blocks of a message together, as JSON in UTF-8 (slackapi/bolt-js#2509). */
const MESSAGE_BLOCKS_BYTES_MAX = 13_200
/** docs.slack.dev/reference/methods/views.open: `view_too_large`. */
const VIEW_BYTES_MAX = 250_000

export type Ruling<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string; readonly messages: readonly string[] }

export function ruleMessageBlocks(json: string): Ruling<Block[]> {
  if (Buffer.byteLength(json) > MESSAGE_BLOCKS_BYTES_MAX)
    return { ok: false, error: 'msg_blocks_too_long', messages: [] }
  return rule(messageBlocks, json, 'invalid_blocks')
}

export function ruleModal(json: string): Ruling<Modal> {
  if (Buffer.byteLength(json) > VIEW_BYTES_MAX) return { ok: false, error: 'view_too_large', messages: [] }
  return rule(modal, json, 'invalid_arguments')
}

function rule<T>(schema: z.ZodType<T>, json: string, error: string): Ruling<T> {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { ok: false, error: error === 'invalid_blocks' ? 'invalid_blocks_format' : error, messages: [] }
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { ok: true, value: parsed.data }
  const messages = parsed.error.issues.map(
    (issue) => `[ERROR] ${issue.message} [json-pointer:/${issue.path.map(String).join('/')}]`,
  )
  return { ok: false, error, messages }
}
