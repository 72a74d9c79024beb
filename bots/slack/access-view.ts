/**
 * The form in which a person asks for elevated access. Slack opens it within three seconds or not at all, so that it is
 * opened empty and painted anew as soon as what may be asked for is known, and with each choice that changes what policy
 * says. Slack keeps what was typed in blocks whose ids stay (docs.slack.dev/reference/views/modal-views).
 */
import { createHash } from 'node:crypto'
import type { types } from '@slack/bolt'
import { ACCESS_REASON_CHARS_MAX, ACCESS_TOOLS_MAX } from '../../src/access/access.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { inWords } from '../../src/approval/in-words.ts'
import { visible } from '../../src/approval/visible.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { AccessOffer, AccessPreview } from '../../src/ports.ts'
import {
  ACCESS_DURATION_BLOCK,
  ACCESS_DURATION_INPUT,
  ACCESS_NOTE_VIEW,
  ACCESS_REASON_BLOCK,
  ACCESS_REASON_INPUT,
  ACCESS_TOOLS_BLOCK,
  ACCESS_TOOLS_INPUT,
  ACCESS_UPSTREAM_BLOCK,
  ACCESS_UPSTREAM_INPUT,
  ACCESS_VIEW,
} from './actions.ts'
import { NAME_BYTES_MAX, OPTION_TEXT_MAX, OPTIONS_MAX, PREVIEW_SENTENCES_MAX, REASON_BYTES_MAX } from './limits.ts'
import { clipped, code, count, date, label, line, note, plain, plainSection, quoted, separated } from './text.ts'

const TITLE = 'Ask for access'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** What people mean by "for a while"; the longest that policy offers is added. */
const DURATIONS_MS = [
  15 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  2 * HOUR_MS,
  4 * HOUR_MS,
  8 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  3 * DAY_MS,
  7 * DAY_MS,
]

export function skeletonView(): types.ModalView {
  return {
    type: 'modal',
    callback_id: ACCESS_NOTE_VIEW,
    title: plain(TITLE),
    close: plain('Cancel'),
    blocks: [plainSection('Looking up what you may ask for…')],
  }
}

/** Nothing can be asked for, and why. */
export function refusalView(message: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: ACCESS_NOTE_VIEW,
    title: plain(TITLE),
    close: plain('Close'),
    blocks: [plainSection(clipped(visible(message), REASON_BYTES_MAX))],
  }
}

export interface AccessForm {
  readonly upstreams: readonly string[]
  /** Null until one is chosen. */
  readonly upstream: string | null
  /** Null while its tools are being listed. */
  readonly offer: AccessOffer | null
  /** What policy says of what is chosen; null while nothing is. */
  readonly preview: AccessPreview | null
  /** Why its tools could not be listed. */
  readonly problem: string | null
}

export function accessView(form: AccessForm): types.ModalView {
  const { upstream, offer, preview, problem } = form
  const blocks: types.KnownBlock[] = [upstreamInput(form)]
  if (problem !== null) blocks.push(plainSection(clipped(visible(problem), REASON_BYTES_MAX)))
  else if (upstream !== null && offer === null) blocks.push(plainSection('Listing its tools…'))
  const isOffered = upstream !== null && offer !== null && (offer.tools.length > 0 || offer.offersAll)
  if (isOffered) blocks.push(toolsInput(upstream, offer), ...durationAndReason(offer.longestMs))
  else if (offer !== null) blocks.push(plainSection('It lists no tool now that policy lets you ask for.'))
  if (isOffered) blocks.push(preview === null ? plainSection(CHOOSE) : previewBlock(preview))
  return {
    type: 'modal',
    callback_id: ACCESS_VIEW,
    title: plain(TITLE),
    // Slack demands it wherever something is asked, also where nothing can be submitted yet.
    submit: plain('Ask'),
    close: plain('Cancel'),
    private_metadata: JSON.stringify({ extends: null }),
    blocks,
  }
}

const CHOOSE = 'Choose tools to see who will be asked, and what policy will say.'

/** For the same tools, for longer. */
export function extensionView(grant: StandingGrant, preview: AccessPreview): types.ModalView {
  return {
    type: 'modal',
    callback_id: ACCESS_VIEW,
    title: plain('Extend access'),
    submit: plain('Ask'),
    close: plain('Cancel'),
    private_metadata: JSON.stringify({ extends: grant.id }),
    blocks: [
      {
        type: 'rich_text',
        elements: separated([
          line(label('Upstream: '), code(clipped(visible(grant.upstream), NAME_BYTES_MAX))),
          line(label('Tools: '), quoted(clipped(visible(toolNames(grant.tools)), REASON_BYTES_MAX))),
        ]),
      },
      { type: 'context', elements: [{ type: 'mrkdwn', text: `Ends ${date(grant.expiresAt)} as it is` }] },
      ...durationAndReason(preview.longestMs ?? HOUR_MS),
      previewBlock(preview),
    ],
  }
}

/** In the form's place: what was asked, and what comes next. */
export function askedView(approval: Approval, wasAsked: boolean): types.ModalView {
  const card = cardOf(approval)
  const from = approval.from.length === 0 ? 'whoever sees the card' : approval.from.join(', ')
  const asked = wasAsked ? 'This was asked already, and is still open.' : 'Asked.'
  return {
    type: 'modal',
    callback_id: ACCESS_NOTE_VIEW,
    title: plain(TITLE),
    close: plain('Close'),
    blocks: [
      {
        type: 'rich_text',
        elements: [line(label(asked), quoted(' '), quoted(clipped(card.headline, REASON_BYTES_MAX)))],
      },
      {
        type: 'rich_text',
        elements: [
          line(
            quoted(`${count(approval.quorum, 'approval')} needed, from `),
            quoted(clipped(visible(from), REASON_BYTES_MAX)),
            note('. You find it in the app’s Home, and may take it back there.'),
          ),
        ],
      },
      {
        type: 'context',
        elements: [
          {
            type: 'mrkdwn',
            text: `Decided by ${date(approval.expiresAt)}, or denied · fingerprint ${card.shortFingerprint.replace(/[^0-9a-f]/g, '')}`,
          },
        ],
      },
    ],
  }
}

// ---- inputs

function upstreamInput({ upstreams, upstream }: AccessForm): types.InputBlock {
  const options = upstreams.slice(0, OPTIONS_MAX).map((name) => option(name, name, null))
  const initial = options.find(({ value }) => value === upstream)
  return {
    type: 'input',
    block_id: ACCESS_UPSTREAM_BLOCK,
    dispatch_action: true,
    label: plain('MCP server'),
    ...(upstreams.length > OPTIONS_MAX && { hint: plain(`The first ${OPTIONS_MAX} of ${upstreams.length}.`) }),
    element: {
      type: 'static_select',
      action_id: ACCESS_UPSTREAM_INPUT,
      placeholder: plain('Choose one'),
      options,
      ...(initial && { initial_option: initial }),
    },
  }
}

/** More than a menu holds are found by typing. */
function toolsInput(upstream: string, offer: AccessOffer): types.InputBlock {
  const options = toolOptions(offer)
  const common = {
    action_id: ACCESS_TOOLS_INPUT,
    max_selected_items: ACCESS_TOOLS_MAX,
    placeholder: plain('Choose tools'),
  }
  const element: types.MultiStaticSelect | types.MultiExternalSelect =
    options.length <= OPTIONS_MAX
      ? { type: 'multi_static_select', ...common, options }
      : { type: 'multi_external_select', ...common, min_query_length: 0 }
  return {
    type: 'input',
    block_id: toolsBlockId(upstream),
    dispatch_action: true,
    label: plain('Tools'),
    element,
  }
}

export function toolsBlockId(upstream: string): string {
  return `${ACCESS_TOOLS_BLOCK}:${upstream}`
}

export const ALL_TOOLS = '*'

export function toolOptions({ tools, offersAll }: AccessOffer): types.PlainTextOption[] {
  const all = offersAll ? [option(ALL_TOOLS, 'All tools, also later ones', null)] : []
  return [...all, ...tools.map(({ name, description }) => option(toolValue(name), name, description))]
}

/** Those that a person's typing finds, as many as a menu holds. */
export function matchingOptions(offer: AccessOffer, typed: string): types.PlainTextOption[] {
  const wanted = typed.trim().toLowerCase()
  const found = { ...offer, tools: offer.tools.filter(({ name }) => name.toLowerCase().includes(wanted)) }
  return toolOptions({ ...found, offersAll: offer.offersAll && 'all tools'.includes(wanted) }).slice(0, OPTIONS_MAX)
}

/**
 * What comes back of a choice. Slack takes 150 characters, and says that it converts others than the usual in what it
 * sends back (docs.slack.dev/reference/views/modal-views): such a name travels as its digest.
 */
export function toolValue(name: string): string {
  if (/^[\w./:-]{1,150}$/.test(name) && !name.startsWith(DIGEST_PREFIX)) return name
  return `${DIGEST_PREFIX}${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
}

export const DIGEST_PREFIX = 'sha256:'

function option(value: string, text: string, description: string | null): types.PlainTextOption {
  const about = description === null ? '' : clipped(visible(description.trim()), OPTION_TEXT_MAX)
  return {
    text: plain(clipped(visible(text), OPTION_TEXT_MAX)),
    value,
    ...(about !== '' && { description: plain(about) }),
  }
}

function durationAndReason(longestMs: number): types.InputBlock[] {
  const offered = [...new Set([...DURATIONS_MS.filter((ms) => ms < longestMs), longestMs])]
  const options = offered.map((ms) => option(String(ms), inWords(ms), null))
  const initial = options.find(({ value }) => value === String(Math.min(HOUR_MS, longestMs)))
  return [
    {
      type: 'input',
      block_id: ACCESS_DURATION_BLOCK,
      label: plain('For how long, from the approval on'),
      element: {
        type: 'static_select',
        action_id: ACCESS_DURATION_INPUT,
        placeholder: plain('Choose'),
        options,
        ...(initial && { initial_option: initial }),
      },
    },
    {
      type: 'input',
      block_id: ACCESS_REASON_BLOCK,
      label: plain('What for (reviewers read this)'),
      element: {
        type: 'plain_text_input',
        action_id: ACCESS_REASON_INPUT,
        multiline: true,
        min_length: 1,
        max_length: ACCESS_REASON_CHARS_MAX,
      },
    },
  ]
}

// ---- what policy says

function previewBlock({ rule, from, quorum, longestMs, sentences }: AccessPreview): types.RichTextBlock {
  const said = sentences.slice(0, PREVIEW_SENTENCES_MAX).map((sentence) => line(quoted(`• ${shortened(sentence)}`)))
  const rest = sentences.length - said.length
  const rows = [
    ...(rule === null ? [] : [whoIsAsked(rule, from, quorum, longestMs)]),
    ...said,
    ...(rest > 0 ? [line(note(`and ${count(rest, 'more tool')}`))] : []),
  ]
  return { type: 'rich_text', elements: separated(rows) }
}

function shortened(sentence: string): string {
  return clipped(visible(sentence), 2 * NAME_BYTES_MAX)
}

function whoIsAsked(rule: string, from: readonly string[], quorum: number, longestMs: number | null) {
  const who = from.length === 0 ? 'anyone else who sees the card' : from.join(', ')
  return line(
    label('Will be asked: '),
    quoted(clipped(visible(who), REASON_BYTES_MAX)),
    quoted(
      `${quorum > 1 ? `; ${quorum} of them must approve` : ''}; at most ${longestMs === null ? 'as long as policy says' : inWords(longestMs)}`,
    ),
    note(' by rule '),
    code(clipped(visible(rule), NAME_BYTES_MAX)),
  )
}

function toolNames(tools: readonly string[]): string {
  return tools.includes(ALL_TOOLS) ? 'all, also later ones' : tools.join(', ')
}
