/**
 * The form in which a person asks for elevated access. Slack opens it within three seconds or not at all, so that it is
 * opened empty and painted anew as soon as what may be asked for is known, and with each choice that changes what policy
 * says. Slack keeps what was typed in blocks whose ids stay (docs.slack.dev/reference/views/modal-views).
 */
import type { types } from '@slack/bolt'
import { ACCESS_REASON_CHARS_MAX, ACCESS_TOOLS_MAX } from '../../src/access/access.ts'
import { visible } from '../../src/approval/visible.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { AccessOffer, AccessPreview } from '../../src/ports.ts'
import {
  ACCESS_WORDS,
  type AccessForm,
  type AskedForAccess,
  askedLines,
  askedNote,
  type Choice,
  durationChoices,
  extensionLines,
  extensionNote,
  isOffered,
  longestOf,
  matchingChoices,
  previewLines,
  toolChoices,
} from '../chat/access-form.ts'
import { REASON_BYTES_MAX } from '../chat/limits.ts'
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
import { OPTION_TEXT_MAX, OPTIONS_MAX } from './limits.ts'
import { clipped, paintedLines, plain, plainSection, whenBlock } from './text.ts'
import { WORDS } from './words.ts'

export function skeletonView(): types.ModalView {
  return {
    type: 'modal',
    callback_id: ACCESS_NOTE_VIEW,
    title: plain(ACCESS_WORDS.title),
    close: plain('Cancel'),
    blocks: [plainSection('Looking up what you may ask for…')],
  }
}

/** Nothing can be asked for, and why. */
export function refusalView(message: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: ACCESS_NOTE_VIEW,
    title: plain(ACCESS_WORDS.title),
    close: plain('Close'),
    blocks: [plainSection(clipped(visible(message), REASON_BYTES_MAX))],
  }
}

export function accessView(form: AccessForm): types.ModalView {
  const { upstream, offer, preview, problem } = form
  const blocks: types.KnownBlock[] = [upstreamInput(form)]
  if (problem !== null) blocks.push(plainSection(clipped(visible(problem), REASON_BYTES_MAX)))
  else if (upstream !== null && offer === null) blocks.push(plainSection(ACCESS_WORDS.listing))
  if (upstream !== null && offer !== null && isOffered(form)) {
    blocks.push(toolsInput(upstream, offer), ...durationAndReason(offer.longestMs))
    blocks.push(preview === null ? plainSection(ACCESS_WORDS.choose) : previewBlock(preview))
  } else if (offer !== null) blocks.push(plainSection(ACCESS_WORDS.nothingListed))
  return {
    type: 'modal',
    callback_id: ACCESS_VIEW,
    title: plain(ACCESS_WORDS.title),
    // Slack demands it wherever something is asked, also where nothing can be submitted yet.
    submit: plain(ACCESS_WORDS.ask),
    close: plain('Cancel'),
    private_metadata: JSON.stringify({ extends: null }),
    blocks,
  }
}

/** For the same tools, for longer. */
export function extensionView(grant: StandingGrant, preview: AccessPreview): types.ModalView {
  return {
    type: 'modal',
    callback_id: ACCESS_VIEW,
    title: plain(ACCESS_WORDS.extensionTitle),
    submit: plain(ACCESS_WORDS.ask),
    close: plain('Cancel'),
    private_metadata: JSON.stringify({ extends: grant.id }),
    blocks: [
      { type: 'rich_text', elements: paintedLines(extensionLines(grant)) },
      whenBlock(extensionNote(grant)),
      ...durationAndReason(longestOf(preview)),
      previewBlock(preview),
    ],
  }
}

/** In the form's place: what was asked, and what comes next. */
export function askedView(approval: AskedForAccess['approval'], wasAsked: boolean): types.ModalView {
  const asked = { approval, wasAsked }
  return {
    type: 'modal',
    callback_id: ACCESS_NOTE_VIEW,
    title: plain(ACCESS_WORDS.title),
    close: plain('Close'),
    blocks: [
      ...askedLines(asked, WORDS).map(
        (line): types.RichTextBlock => ({ type: 'rich_text', elements: paintedLines([line]) }),
      ),
      whenBlock(askedNote(asked)),
    ],
  }
}

// ---- inputs

function upstreamInput({ upstreams, upstream }: AccessForm): types.InputBlock {
  const options = upstreams.slice(0, OPTIONS_MAX).map((name) => option({ value: name, title: name, about: null }))
  const initial = options.find(({ value }) => value === upstream)
  return {
    type: 'input',
    block_id: ACCESS_UPSTREAM_BLOCK,
    dispatch_action: true,
    label: plain(ACCESS_WORDS.upstream),
    ...(upstreams.length > OPTIONS_MAX && { hint: plain(`The first ${OPTIONS_MAX} of ${upstreams.length}.`) }),
    element: {
      type: 'static_select',
      action_id: ACCESS_UPSTREAM_INPUT,
      placeholder: plain(ACCESS_WORDS.chooseOne),
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
    placeholder: plain(ACCESS_WORDS.chooseTools),
  }
  const element: types.MultiStaticSelect | types.MultiExternalSelect =
    options.length <= OPTIONS_MAX
      ? { type: 'multi_static_select', ...common, options }
      : { type: 'multi_external_select', ...common, min_query_length: 0 }
  return {
    type: 'input',
    block_id: toolsBlockId(upstream),
    dispatch_action: true,
    label: plain(ACCESS_WORDS.tools),
    element,
  }
}

export function toolsBlockId(upstream: string): string {
  return `${ACCESS_TOOLS_BLOCK}:${upstream}`
}

export function toolOptions(offer: AccessOffer): types.PlainTextOption[] {
  return toolChoices(offer).map(option)
}

/** Those that a person's typing finds, as many as a menu holds. */
export function matchingOptions(offer: AccessOffer, typed: string): types.PlainTextOption[] {
  return foundOptions(matchingChoices(offer, typed))
}

export function foundOptions(choices: readonly Choice[]): types.PlainTextOption[] {
  return choices.slice(0, OPTIONS_MAX).map(option)
}

function option({ value, title, about }: Choice): types.PlainTextOption {
  const description = about === null ? '' : clipped(visible(about.trim()), OPTION_TEXT_MAX)
  return {
    text: plain(clipped(visible(title), OPTION_TEXT_MAX)),
    value,
    ...(description !== '' && { description: plain(description) }),
  }
}

function durationAndReason(longestMs: number): types.InputBlock[] {
  const choices = durationChoices(longestMs).map(({ ms, words, isInitial }) => ({
    option: option({ value: String(ms), title: words, about: null }),
    isInitial,
  }))
  const options = choices.map((choice) => choice.option)
  const initial = choices.find(({ isInitial }) => isInitial)?.option
  return [
    {
      type: 'input',
      block_id: ACCESS_DURATION_BLOCK,
      label: plain(ACCESS_WORDS.duration),
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
      label: plain(ACCESS_WORDS.reason),
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

function previewBlock(preview: AccessPreview): types.RichTextBlock {
  return { type: 'rich_text', elements: paintedLines(previewLines(preview)) }
}
