/**
 * The names by which clicks and inputs come back, the same in every chat. They live on in cards already posted: add, never
 * rename.
 */
export const APPROVE_ACTION = 'countersign_approve'
export const DENY_ACTION = 'countersign_deny'
export const DENY_WITH_REASON_ACTION = 'countersign_deny_with_reason'
export const IT_RAN_ACTION = 'countersign_it_ran'
export const IT_DID_NOT_RUN_ACTION = 'countersign_it_did_not_run'
export const SHOW_ALL_ACTION = 'countersign_show_all'
export const PREVIOUS_PAGE_ACTION = 'countersign_previous_page'
export const NEXT_PAGE_ACTION = 'countersign_next_page'
export const MORE_ACTION = 'countersign_more'
/** Followed by the milliseconds: a block's actions need ids of their own. */
export const APPROVE_FOR_ACTION = 'countersign_approve_for_'
export const APPROVE_WITH_NOTE_ACTION = 'countersign_approve_with_note'
export const DENY_ALL_ACTION = 'countersign_deny_all'
export const ASK_ACTION = 'countersign_ask'
export const REMIND_ACTION = 'countersign_remind'
export const REVOKE_ACTION = 'countersign_revoke'

/** Forms as they are submitted. */
export const APPROVE_VIEW = 'countersign_approve_view'
export const DENY_VIEW = 'countersign_deny_view'
export const DENY_ALL_VIEW = 'countersign_deny_all_view'
export const ASK_VIEW = 'countersign_ask_view'

/** What people write or choose. */
export const REASON_INPUT = 'countersign_reason'
export const DURATION_INPUT = 'countersign_duration'
export const NOTE_INPUT = 'countersign_note'
export const QUESTION_INPUT = 'countersign_question'

/** In the private talk with the person behind the agent. Not `countersign_`: only what that person may do answers these. */
export const REQUESTER_REMIND_ACTION = 'requester_remind'
export const REQUESTER_CANCEL_ACTION = 'requester_cancel'
export const REQUESTER_ANSWER_ACTION = 'requester_answer'
export const ANSWER_VIEW = 'requester_answer_view'
export const ANSWER_INPUT = 'requester_answer_text'
