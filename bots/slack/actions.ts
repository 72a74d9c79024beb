/**
 * The names by which a click comes back. They live on in cards already posted: add, never rename. Those of App Home begin
 * with countersign_home_, those of /access with countersign_access_, so that clicks.ts leaves them alone.
 */
export const APPROVE_ACTION = 'countersign_approve'
export const DENY_ACTION = 'countersign_deny'
export const DENY_WITH_REASON_ACTION = 'countersign_deny_with_reason'
export const IT_RAN_ACTION = 'countersign_it_ran'
export const IT_DID_NOT_RUN_ACTION = 'countersign_it_did_not_run'
export const SHOW_ALL_ACTION = 'countersign_show_all'
export const PREVIOUS_PAGE_ACTION = 'countersign_previous_page'
export const NEXT_PAGE_ACTION = 'countersign_next_page'

export const DENY_VIEW = 'countersign_deny_view'
export const ARGUMENTS_VIEW = 'countersign_arguments_view'
export const REASON_BLOCK = 'countersign_reason_block'
export const REASON_INPUT = 'countersign_reason'

export const MORE_ACTION = 'countersign_more'
/** Followed by the milliseconds: a block's actions need ids of their own. */
export const APPROVE_FOR_ACTION = 'countersign_approve_for_'
export const APPROVE_WITH_NOTE_ACTION = 'countersign_approve_with_note'
export const DENY_ALL_ACTION = 'countersign_deny_all'
export const ASK_ACTION = 'countersign_ask'
export const REMIND_ACTION = 'countersign_remind'
export const REVOKE_ACTION = 'countersign_revoke'

export const MORE_VIEW = 'countersign_more_view'
export const APPROVE_VIEW = 'countersign_approve_view'
export const DENY_ALL_VIEW = 'countersign_deny_all_view'
export const ASK_VIEW = 'countersign_ask_view'
export const MESSAGE_VIEW = 'countersign_message_view'
export const DURATION_BLOCK = 'countersign_duration_block'
export const DURATION_INPUT = 'countersign_duration'
export const NOTE_BLOCK = 'countersign_note_block'
export const NOTE_INPUT = 'countersign_note'
export const QUESTION_BLOCK = 'countersign_question_block'
export const QUESTION_INPUT = 'countersign_question'

/** In the private talk with the person behind the agent. Not `countersign_`: requester-clicks.ts answers these alone. */
export const REQUESTER_REMIND_ACTION = 'requester_remind'
export const REQUESTER_CANCEL_ACTION = 'requester_cancel'
export const REQUESTER_ANSWER_ACTION = 'requester_answer'
export const ANSWER_VIEW = 'requester_answer_view'
export const ANSWER_BLOCK = 'requester_answer_block'
export const ANSWER_INPUT = 'requester_answer_text'

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
