/**
 * The names by which a click comes back; those that every chat has are in bots/chat/actions.ts. They live on in cards
 * already posted: add, never rename. Those of App Home begin with countersign_home_, those of /access with
 * countersign_access_, so that clicks.ts leaves them alone.
 */
export {
  ANSWER_INPUT,
  ANSWER_VIEW,
  APPROVE_ACTION,
  APPROVE_FOR_ACTION,
  APPROVE_VIEW,
  APPROVE_WITH_NOTE_ACTION,
  ASK_ACTION,
  ASK_VIEW,
  DENY_ACTION,
  DENY_ALL_ACTION,
  DENY_ALL_VIEW,
  DENY_VIEW,
  DENY_WITH_REASON_ACTION,
  DURATION_INPUT,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  MORE_ACTION,
  NEXT_PAGE_ACTION,
  NOTE_INPUT,
  PREVIOUS_PAGE_ACTION,
  QUESTION_INPUT,
  REASON_INPUT,
  REMIND_ACTION,
  REQUESTER_ANSWER_ACTION,
  REQUESTER_CANCEL_ACTION,
  REQUESTER_REMIND_ACTION,
  REVOKE_ACTION,
  SHOW_ALL_ACTION,
} from '../chat/actions.ts'

export const ARGUMENTS_VIEW = 'countersign_arguments_view'
export const MORE_VIEW = 'countersign_more_view'
export const MESSAGE_VIEW = 'countersign_message_view'
export const REASON_BLOCK = 'countersign_reason_block'
export const DURATION_BLOCK = 'countersign_duration_block'
export const NOTE_BLOCK = 'countersign_note_block'
export const QUESTION_BLOCK = 'countersign_question_block'
export const ANSWER_BLOCK = 'requester_answer_block'

/** What /access asks in its form. */
export const ACCESS_COMMAND = '/access'
export const ACCESS_VIEW = 'countersign_access_view'
/** Windows with nothing to submit. */
export const ACCESS_NOTE_VIEW = 'countersign_access_note_view'
export const ACCESS_UPSTREAM_BLOCK = 'countersign_access_upstream_block'
export const ACCESS_UPSTREAM_INPUT = 'countersign_access_upstream'
/** Followed by a colon and the upstream: with another upstream what was chosen before must not stay. */
export const ACCESS_TOOLS_BLOCK = 'countersign_access_tools_block'
export const ACCESS_TOOLS_INPUT = 'countersign_access_tools'
export const ACCESS_DURATION_BLOCK = 'countersign_access_duration_block'
export const ACCESS_DURATION_INPUT = 'countersign_access_duration'
export const ACCESS_REASON_BLOCK = 'countersign_access_reason_block'
export const ACCESS_REASON_INPUT = 'countersign_access_reason'

export const COMMAND = '/countersign'

/** App Home. */
export const HOME_REVIEW_ACTION = 'countersign_home_review'
export const HOME_TAKE_BACK_ACTION = 'countersign_home_take_back'
export const HOME_REVOKE_ACTION = 'countersign_home_revoke'
export const HOME_EXTEND_ACTION = 'countersign_home_extend'
/** Followed by the section and the direction; the value has the pages that are then shown. */
export const HOME_PAGE_ACTION = 'countersign_home_page_'
/** An approval in a window of its own, with the buttons of its card. */
export const REVIEW_VIEW = 'countersign_review_view'
