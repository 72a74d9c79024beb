/**
 * What the person behind an agent does in their personal talk with the app: remind, cancel, answer. What each does is in
 * bots/chat/requester-clicks.ts. Nobody else is shown anything here, whatever their click says.
 */
import type { Approval } from '../../src/approval/approval.ts'
import { visible } from '../../src/approval/visible.ts'
import type { ApprovalId } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { placeOfRequester } from '../../src/ports.ts'
import { isRequester, refusalText } from '../../src/review/review.ts'
import { ANSWER_INPUT, ANSWER_VIEW, REQUESTER_ANSWER_ACTION } from '../chat/actions.ts'
import { GONE, guarded, NOT_UNDERSTOOD, type PrivateAnswer, refused } from '../chat/private-answer.ts'
import {
  actAsRequester,
  answerAsRequester,
  type RequesterClicked,
  type RequesterClicksOptions,
} from '../chat/requester-clicks.ts'
import { readSubject } from '../chat/shown-call.ts'
import type { WhoClicked } from '../chat/who-clicked.ts'
import type { AdaptiveCard } from './card-elements.ts'
import { inputIn, textIn } from './click-data.ts'
import type { Asked, DialogAnswer, ExecuteAnswer, Feature } from './feature.ts'
import type { Painted } from './review-feature.ts'
import { type Seeing, tellSeen } from './seen.ts'

export const REQUESTER_PREFIX = 'requester_'

export interface RequesterFeatureOptions extends RequesterClicksOptions, Seeing {
  /** Never rejects. */
  readonly whoClicked: (asked: Asked) => Promise<WhoClicked>
  readonly painting: RequesterPainting
}

export interface RequesterPainting {
  readonly card: (approval: Approval, answer: PrivateAnswer) => AdaptiveCard
  readonly answerDialog: (
    approval: Approval,
    about: { readonly problem: string | null; readonly written: string },
  ) => Painted
}

export function createRequesterFeature(options: RequesterFeatureOptions): Feature {
  return {
    prefix: REQUESTER_PREFIX,
    execute: (asked, name, data) => execute(options, asked, name, data),
    openDialog: (asked, name, data) => openDialog(options, asked, name, data),
    submitDialog: (asked, name, data) => submitDialog(options, asked, name, data),
  }
}

const where = ({ log }: RequesterFeatureOptions) => ({ log, channel: 'teams' }) as const

type Take =
  | { readonly ok: true; readonly clicked: RequesterClicked; readonly approval: Approval }
  | { readonly ok: false; readonly answer: PrivateAnswer }

async function take(options: RequesterFeatureOptions, asked: Asked, data: JsonObject): Promise<Take> {
  const no = (answer: PrivateAnswer): Take => ({ ok: false, answer })
  const subject = readSubject(textIn(data, 'subject') ?? undefined)
  if (subject === null) return no(NOT_UNDERSTOOD)
  const [approval, who] = await Promise.all([options.get(subject.id), options.whoClicked(asked)])
  if (!who.ok) return no(refused(who.message))
  if (approval === null) return no(GONE)
  if (!isRequester(approval, who.reviewer)) return no(refused(refusalText('not_the_requester', approval)))
  if (asked.conversation.kind === 'personal')
    await tellSeen(options, { id: approval.id, place: placeOfRequester('teams') }, asked)
  return { ok: true, approval, clicked: { approvalId: approval.id, who: async () => who } }
}

async function execute(
  options: RequesterFeatureOptions,
  asked: Asked,
  name: string,
  data: JsonObject,
): Promise<ExecuteAnswer> {
  const theirs: { id: ApprovalId | null } = { id: null }
  const answer = await guarded(async () => {
    const found = await take(options, asked, data)
    if (!found.ok) return found.answer
    theirs.id = found.approval.id
    return actAsRequester(options, found.clicked, name, null)
  }, where(options))
  // As it stands by now.
  const approval = theirs.id === null ? null : await options.get(theirs.id).catch(() => null)
  if (approval !== null) return { kind: 'card', card: options.painting.card(approval, answer) }
  return { kind: 'message', text: visible(answer.message ?? NOTHING_TO_SHOW) }
}

const NOTHING_TO_SHOW = 'This can’t be shown now. Please try again in a moment.'

async function openDialog(
  options: RequesterFeatureOptions,
  asked: Asked,
  name: string,
  data: JsonObject,
): Promise<DialogAnswer> {
  const opened: { approval: Approval | null } = { approval: null }
  const answer = await guarded(async () => {
    // Asking for a dialog decides nothing: it is answered each time that it comes.
    if (name !== REQUESTER_ANSWER_ACTION) return NOT_UNDERSTOOD
    const found = await take(options, asked, data)
    if (!found.ok) return found.answer
    return actAsRequester(options, found.clicked, name, async (approval) => {
      opened.approval = approval
    })
  }, where(options))
  const about = { problem: null, written: '' }
  return opened.approval === null
    ? closing(answer)
    : { kind: 'dialog', ...options.painting.answerDialog(opened.approval, about) }
}

/** A refusal stands beside what was written, so that it is not lost. */
async function submitDialog(
  options: RequesterFeatureOptions,
  asked: Asked,
  name: string,
  data: JsonObject,
): Promise<DialogAnswer> {
  if (name !== ANSWER_VIEW) return openDialog(options, asked, name, data)
  const again: { approval: Approval | null } = { approval: null }
  const written = inputIn(data, ANSWER_INPUT)?.trim() ?? ''
  const answer = await guarded(async () => {
    const found = await take(options, asked, data)
    if (!found.ok) return found.answer
    again.approval = found.approval
    return written === '' ? refused('Please write your answer.') : answerAsRequester(options, found.clicked, written)
  }, where(options))
  if (answer.isDone || answer.stale !== null || again.approval === null) return closing(answer)
  const about = { problem: answer.message, written }
  return { kind: 'dialog', ...options.painting.answerDialog(again.approval, about) }
}

function closing({ message }: PrivateAnswer): DialogAnswer {
  return message === null ? { kind: 'close' } : { kind: 'message', text: visible(message) }
}
