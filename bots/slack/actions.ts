/** The names by which a click comes back. They live on in cards already posted: add, never rename. */
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
