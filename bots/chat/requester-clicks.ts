/**
 * What the person behind an agent does in their private talk: remind, cancel, answer. In the same order as a review: who is
 * it → durable write → what they are told. Whether it is theirs to do is decided by src/review, from the address that the
 * chat vouches for; nothing here trusts that only one person sees the buttons.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { ApprovalId } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { ApprovalStore, ReviewOutcome, Reviews } from '../../src/ports.ts'
import { REQUESTER_ANSWER_ACTION, REQUESTER_CANCEL_ACTION, REQUESTER_REMIND_ACTION } from './actions.ts'
import { answerOf, GONE, NOT_UNDERSTOOD, type PrivateAnswer, refused, SAID_NOTHING } from './private-answer.ts'
import type { WhoClicked } from './who-clicked.ts'

export interface RequesterClicksOptions {
  readonly reviews: Pick<Reviews, 'remind' | 'cancel' | 'answer'>
  readonly get: ApprovalStore['get']
}

export interface RequesterClicked {
  readonly approvalId: ApprovalId
  /** Never rejects. */
  readonly who: () => Promise<WhoClicked>
}

/** Null: no form can be opened from where they clicked. */
export type OpenAnswer = ((approval: Approval) => Promise<unknown>) | null

export async function actAsRequester(
  { reviews, get }: RequesterClicksOptions,
  clicked: RequesterClicked,
  action: string,
  openAnswer: OpenAnswer,
): Promise<PrivateAnswer> {
  const { approvalId } = clicked
  switch (action) {
    case REQUESTER_REMIND_ACTION:
      return asWhoever(clicked, (reviewer) => reviews.remind({ approvalId, reviewer }))
    case REQUESTER_CANCEL_ACTION:
      return asWhoever(clicked, (reviewer) => reviews.cancel({ approvalId, reviewer }))
    case REQUESTER_ANSWER_ACTION: {
      if (openAnswer === null) return NOT_UNDERSTOOD
      // The form opens at once. Whose answer counts is asked when it is sent.
      const approval = await get(approvalId)
      if (approval === null) return GONE
      if (approval.state !== 'pending') return refused(DECIDED)
      await openAnswer(approval)
      return SAID_NOTHING
    }
    default:
      return NOT_UNDERSTOOD
  }
}

const DECIDED = 'It is decided already, so that nobody waits for an answer any more.'

/** `text`: trimmed, not empty. */
export async function answerAsRequester(
  { reviews }: Pick<RequesterClicksOptions, 'reviews'>,
  clicked: RequesterClicked,
  text: string,
): Promise<PrivateAnswer> {
  return asWhoever(clicked, (reviewer) => reviews.answer({ approvalId: clicked.approvalId, reviewer, text }))
}

async function asWhoever(
  { who: ask }: Pick<RequesterClicked, 'who'>,
  work: (reviewer: Reviewer) => Promise<ReviewOutcome>,
): Promise<PrivateAnswer> {
  const who = await ask()
  return who.ok ? answerOf(await work(who.reviewer)) : refused(who.message)
}
