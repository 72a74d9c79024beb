/**
 * The dialog in which a person asks for elevated access. A dialog of Teams is painted anew only where a button is pressed,
 * so that choosing a server and looking at what policy says are buttons; what was written is put back each time, because
 * Teams forgets it.
 *
 * Its inputs' ids and its buttons' names are those that come back: add, never rename.
 */
import { ACCESS_REASON_CHARS_MAX, ACCESS_TOOLS_MAX } from '../../src/access/access.ts'
import { visible } from '../../src/approval/visible.ts'
import type { GrantId } from '../../src/brands.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { AccessInput, AccessOffer, AccessPreview } from '../../src/ports.ts'
import { type AccessProblem, type AccessScreen, problemText } from '../chat/access-asking.ts'
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
  previewLines,
  toolChoices,
} from '../chat/access-form.ts'
import { clip, clipped, jsonBytes } from '../chat/clip.ts'
import { REASON_BYTES_MAX } from '../chat/limits.ts'
import type { AdaptiveCard, CardElement, ChoiceInput, Inert, Submit } from './card-elements.ts'
import type { DialogAnswer } from './feature.ts'
import { CARD_BYTES_MAX } from './limits.ts'
import { adaptiveCard, block, inert, inputValue, instantLine, label, line, lineOf, quoted, words } from './text.ts'
import { WORDS } from './words.ts'

/** The compose action, and what the names of everything here begin with. */
export const ACCESS_DIALOG = 'countersign_access'
export const ACCESS_CHOOSE = 'countersign_access_choose'
export const ACCESS_ASK = 'countersign_access_ask'
export const ACCESS_CLOSE = 'countersign_access_close'
export const ACCESS_EXTEND = 'countersign_access_extend'

export const ACCESS_UPSTREAM_INPUT = 'countersign_access_upstream'
export const ACCESS_DURATION_INPUT = 'countersign_access_duration'
export const ACCESS_REASON_INPUT = 'countersign_access_reason'
const ACCESS_TOOLS = 'countersign_access_tools:'

/** With another server what was chosen before must not stay. Also the name under which its tools are found as one types. */
export function toolsInputOf(upstream: string): string {
  return `${ACCESS_TOOLS}${upstream}`
}

export function upstreamOfTools(name: string): string | null {
  return name.startsWith(ACCESS_TOOLS) ? name.slice(ACCESS_TOOLS.length) : null
}

/** More are found by typing: a list of boxes is one that people look through. */
const BOXES_MAX = 15
/** Servers in one menu, and all their choices together, as JSON. */
const UPSTREAMS_MAX = 50
/** What a choice that is made already is called, where it has to be short. */
const CHOSEN_TITLE_BYTES = 120

/** What is put back. Null: nothing was written yet. */
export interface Written {
  readonly upstream: string | null
  readonly tools: readonly string[]
  readonly duration: string | undefined
  readonly reason: string
}

export const NOTHING_WRITTEN: Written = { upstream: null, tools: [], duration: undefined, reason: '' }

export interface AccessAbout {
  readonly written: Written
  /** What was wrong with it; null: nothing. */
  readonly problem: AccessProblem | null
}

type Dialog = Extract<DialogAnswer, { kind: 'dialog' }>

export function accessDialog(screen: AccessScreen, about: AccessAbout): Dialog {
  switch (screen.kind) {
    case 'refusal':
      return noteDialog([line(quoted(clipped(visible(screen.message), REASON_BYTES_MAX)))])
    case 'form':
      return dialog(
        inert(ACCESS_WORDS.title),
        fitted((room) => formBody(screen.form, about, room)),
      )
    case 'extension':
      return dialog(
        inert(ACCESS_WORDS.extensionTitle),
        fitted((room) => extensionBody(screen, about, room)),
      )
  }
}

/** In the form's place: what was asked, and what comes next. Nothing is posted to where the dialog was opened. */
export function askedDialog(asked: AskedForAccess): Dialog {
  return noteDialog([...askedLines(asked, WORDS).map((parts) => lineOf(parts)), instantLine(askedNote(asked))])
}

function noteDialog(body: readonly CardElement[]): Dialog {
  return dialog(inert(ACCESS_WORDS.title), card([...body, buttons(submit(words`Close`, ACCESS_CLOSE))]))
}

function dialog(title: Inert, content: AdaptiveCard): Dialog {
  return { kind: 'dialog', title, card: content }
}

function card(body: CardElement[]): AdaptiveCard {
  return adaptiveCard({ body, fallbackText: words`This client shows no dialogs: please ask in another one.` })
}

// ---- within what a card may take

interface Room {
  /** Sentences of the preview. */
  readonly sentences: number
  /** Of what is offered as choices, as JSON. */
  readonly choicesBytes: number
  readonly titleBytes: number
}

/** The first that fits is taken; what was chosen and written never gives way. */
const ROOMS: readonly Room[] = [
  { sentences: 30, choicesBytes: 8000, titleBytes: CHOSEN_TITLE_BYTES },
  { sentences: 12, choicesBytes: 4000, titleBytes: 80 },
  { sentences: 3, choicesBytes: 1000, titleBytes: 40 },
]
const LEAST_ROOM: Room = { sentences: 0, choicesBytes: 0, titleBytes: 20 }

function fitted(body: (room: Room) => CardElement[]): AdaptiveCard {
  for (const room of ROOMS) {
    const painted = card(body(room))
    if (jsonBytes(painted) <= CARD_BYTES_MAX) return painted
  }
  return card(body(LEAST_ROOM))
}

// ---- the form

function formBody(form: AccessForm, about: AccessAbout, room: Room): CardElement[] {
  const { upstream, offer, preview, problem } = form
  const beside = besides(about.problem, isOffered(form) ? ['upstream', 'tools', 'duration', 'reason'] : ['upstream'])
  const body: CardElement[] = [...beside(null), upstreamInput(form), ...beside('upstream')]
  if (problem !== null) body.push(line(quoted(clipped(visible(problem), REASON_BYTES_MAX))))
  else if (upstream !== null && offer === null) body.push(block(inert(ACCESS_WORDS.listing)))
  if (upstream === null || offer === null) return [...body, buttons(choose('Show its tools', upstream))]
  if (!isOffered(form)) {
    return [...body, block(inert(ACCESS_WORDS.nothingListed)), buttons(choose('Show its tools', null))]
  }
  body.push(toolsInput(upstream, offer, { chosen: chosenTools(about, upstream), room }), ...beside('tools'))
  body.push(...durationAndReason(offer.longestMs, about, beside))
  body.push(...(preview === null ? [block(inert(ACCESS_WORDS.choose))] : previewBlocks(preview, room)))
  const ask = submit(inert(ACCESS_WORDS.ask), ACCESS_ASK, { extends: null, listed: upstream })
  return [...body, buttons({ ...ask, style: 'positive' }, choose('Look again', upstream))]
}

function chosenTools({ written }: AccessAbout, upstream: string): readonly string[] {
  return written.upstream === upstream ? written.tools : []
}

/** `listed`: whose tools were listed already, or are being listed. */
function choose(title: string, listed: string | null): Submit {
  return submit(inert(title), ACCESS_CHOOSE, { listed })
}

function extensionBody(
  { grant, preview }: { readonly grant: StandingGrant; readonly preview: AccessPreview },
  about: AccessAbout,
  room: Room,
): CardElement[] {
  const beside = besides(about.problem, ['duration', 'reason'])
  return [
    ...beside(null),
    ...extensionLines(grant).map((parts) => lineOf(parts)),
    instantLine(extensionNote(grant)),
    ...durationAndReason(longestOf(preview), about, beside),
    ...previewBlocks(preview, room),
    buttons({ ...submit(inert(ACCESS_WORDS.ask), ACCESS_ASK, { extends: grant.id }), style: 'positive' }),
  ]
}

/** The problem beside its input; above all where the form doesn't have that one. */
function besides(problem: AccessProblem | null, inputs: readonly AccessInput[]) {
  const at = problem?.input != null && inputs.includes(problem.input) ? problem.input : null
  return (input: AccessInput | null): CardElement[] =>
    problem === null || at !== input ? [] : [line(label(problemText(problem), 'Attention'))]
}

type Beside = ReturnType<typeof besides>

function previewBlocks(preview: AccessPreview, { sentences }: Room): CardElement[] {
  return previewLines(preview, sentences).map((parts) => lineOf(parts))
}

// ---- inputs

function upstreamInput({ upstreams, upstream }: AccessForm): ChoiceInput {
  // What is chosen stands on it, also where there are more.
  const rest = upstreams.filter((name) => name !== upstream).slice(0, UPSTREAMS_MAX - 1)
  const shown = upstreams.filter((name) => name === upstream || rest.includes(name))
  const more = shown.length < upstreams.length
  return {
    type: 'Input.ChoiceSet',
    id: ACCESS_UPSTREAM_INPUT,
    label: more ? words`MCP server (the first ${shown.length} of ${upstreams.length})` : inert(ACCESS_WORDS.upstream),
    style: 'compact',
    placeholder: inert(ACCESS_WORDS.chooseOne),
    choices: shown.map((name) => ({ title: inert(visible(name)), value: name })),
    ...(upstream !== null && { value: upstream }),
  }
}

function toolsInput(
  upstream: string,
  offer: AccessOffer,
  { chosen, room }: { readonly chosen: readonly string[]; readonly room: Room },
): ChoiceInput {
  const all = toolChoices(offer)
  const isBoxes = all.length <= BOXES_MAX && jsonBytes(all.map((one) => choice(one, room))) <= ROOMS_CHOICES_MAX
  const shown = isBoxes ? all : firstChoices(all, chosen, room)
  const id = toolsInputOf(upstream)
  return {
    type: 'Input.ChoiceSet',
    id,
    label: isBoxes
      ? inert(ACCESS_WORDS.tools)
      : words`Tools (type to find more of ${all.length}; at most ${ACCESS_TOOLS_MAX})`,
    style: isBoxes ? 'expanded' : 'filtered',
    isMultiSelect: true,
    wrap: true,
    placeholder: inert(ACCESS_WORDS.chooseTools),
    choices: shown.map((one) => choice(one, room)),
    ...(!isBoxes && { 'choices.data': { type: 'Data.Query', dataset: id } }),
    ...(chosen.length > 0 && { value: chosen.slice(0, ACCESS_TOOLS_MAX).join(',') }),
  }
}

/** Boxes are all drawn or none: fifteen of the longest fit. */
const ROOMS_CHOICES_MAX = 8000

/** What is chosen first, for its titles; then as many others as there is room for. */
function firstChoices(all: readonly Choice[], chosen: readonly string[], room: Room): readonly Choice[] {
  const made = new Set(chosen.slice(0, ACCESS_TOOLS_MAX))
  const rest: Choice[] = []
  let bytes = 0
  for (const one of all) {
    if (made.has(one.value)) continue
    bytes += jsonBytes(choice(one, room)) + 1
    if (bytes > room.choicesBytes) break
    rest.push(one)
  }
  return [...all.filter(({ value }) => made.has(value)), ...rest]
}

/** Tools that somebody's typing found. */
export function choiceOf(found: Choice): { readonly title: Inert; readonly value: string } {
  return choice(found, { titleBytes: CHOSEN_TITLE_BYTES })
}

function choice({ title, value, about }: Choice, { titleBytes }: Pick<Room, 'titleBytes'>) {
  const said = about?.trim() ? `${visible(title)}: ${visible(about.trim())}` : visible(title)
  return { title: inert(clipped(said, titleBytes)), value }
}

function durationAndReason(longestMs: number, { written }: AccessAbout, beside: Beside): CardElement[] {
  const choices = durationChoices(longestMs)
  const known = choices.find(({ ms }) => String(ms) === written.duration) ?? choices.find(({ isInitial }) => isInitial)
  return [
    {
      type: 'Input.ChoiceSet',
      id: ACCESS_DURATION_INPUT,
      label: inert(ACCESS_WORDS.duration),
      style: 'compact',
      choices: choices.map((one) => ({ title: inert(one.words), value: String(one.ms) })),
      ...(known && { value: String(known.ms) }),
    },
    ...beside('duration'),
    {
      type: 'Input.Text',
      id: ACCESS_REASON_INPUT,
      label: inert(ACCESS_WORDS.reason),
      isMultiline: true,
      maxLength: ACCESS_REASON_CHARS_MAX,
      ...(written.reason !== '' && { value: inputValue(clip(written.reason, WRITTEN_BYTES_MAX).text) }),
    },
    ...beside('reason'),
  ]
}

/** A reason at its longest, each character at its largest. A client may send more, and is told that it is too long. */
const WRITTEN_BYTES_MAX = 6 * ACCESS_REASON_CHARS_MAX

// ---- buttons

function submit(title: Inert, name: string, data: JsonObject = {}): Submit {
  return { type: 'Action.Submit', title, data: { dialog: name, ...data } }
}

function buttons(...actions: Submit[]): CardElement {
  return { type: 'ActionSet', actions }
}

/** A button outside of the dialog that opens it. */
export function opening(
  title: Inert,
  data: { readonly upstream: string | null } | { readonly grant: GrantId },
): Submit {
  const name = 'grant' in data ? ACCESS_EXTEND : ACCESS_DIALOG
  return { type: 'Action.Submit', title, data: { msteams: { type: 'task/fetch' }, dialog: name, ...data } }
}
