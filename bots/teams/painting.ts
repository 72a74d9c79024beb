/** How Teams paints what its features decide to show; see review-feature.ts and requester-feature.ts. */
import { ownCard } from './card.ts'
import { answerDialog, ownRequesterCard } from './requester-card.ts'
import type { RequesterPainting } from './requester-feature.ts'
import { lastWords, reviewDialog } from './review-dialogs.ts'
import type { ReviewPainting } from './review-feature.ts'
import { pagesOf, shownBy } from './shown-call.ts'

export const REVIEW_PAINTING: ReviewPainting = {
  pagesOf,
  shownBy,
  ownCard: (_approval, card, own) => ownCard(card, own),
  dialog: reviewDialog,
  lastWords,
}

export const REQUESTER_PAINTING: RequesterPainting = { card: ownRequesterCard, answerDialog }
