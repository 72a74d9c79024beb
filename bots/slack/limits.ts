/**
 * What Slack refuses, and what we allow ourselves below it. A card that breaks one of these is never shown, and a
 * call that nobody sees can't be approved: so every text is cut before, and the cut is said on the card.
 *
 * Lengths are in UTF-16 units where Slack documents characters, which is never more lenient.
 */

export { NAME_BYTES_MAX, OUTCOME_BYTES_MAX, REASON_BYTES_MAX } from '../chat/limits.ts'

/** docs.slack.dev/reference/block-kit/blocks/header-block */
export const HEADER_MAX = 150
/** docs.slack.dev/reference/methods/chat.postMessage: text beyond it is cut by Slack. */
export const MESSAGE_TEXT_MAX = 40_000
/** docs.slack.dev/interactivity/handling-user-interaction: the acknowledgement; the trigger_id lives as long. */
export const ACK_WITHIN_MS = 3000
/** docs.slack.dev/authentication/verifying-requests-from-slack */
export const SIGNATURE_AGE_MAX_MS = 5 * 60_000

/**
 * All blocks of a message together, as JSON in UTF-8. Not documented: Slack answers `msg_blocks_too_long` from about
 * 13,200 on (slackapi/bolt-js#2509), and counts more than the texts (slackapi/bolt-js#2867). We stay well below.
 */
export const BLOCKS_BYTES_MAX = 11_000

/** Of those bytes: what the arguments may take, what one of them may take, and how many rows there are at most. */
export const ARGUMENTS_BYTES_MAX = 5000
export const ARGUMENT_BYTES_MAX = 2000
export const ARGUMENT_ROWS_MAX = 20
/** A value of one line that stands beside its name: a phone shows about 40 characters a line. */
export const SHORT_VALUE_MAX = 60
/** A row's name, its note and the JSON around them. */
export const ROW_BYTES = 500
/** One page of the modal that shows all arguments. */
export const PAGE_BYTES_MAX = 8000
/** As long as a remark may be (REMARK_LENGTH_MAX in src/review); Slack allows an input of 3000. */
export const QUESTION_MAX = 2000
/** docs.slack.dev/reference/block-kit/block-elements/radio-button-group-element: at most 10, and one is "this call only". */
export const DURATIONS_SHOWN_MAX = 9
/** All lists of a summary or a digest together; the rest of BLOCKS_BYTES_MAX is for what stands around them. */
export const SECTIONS_BYTES_MAX = 8000

/** A clock ahead of ours by more is not Slack's. */
export const SIGNATURE_SKEW_MAX_MS = 60_000
/** Slack's interaction payloads repeat the message, so they stay near BLOCKS_BYTES_MAX, form-encoded. */
export const REQUEST_BYTES_MAX = 256 * 1024
/** Request bodies remembered, so that a replay within the signature's age runs nothing. */
export const SEEN_REQUESTS_MAX = 10_000

/** Posting and repainting: the outbox waits for it, no person does. */
export const API_TIMEOUT_MS = 10_000
/** Calls within a click: two of them and the review must fit into ACK_WITHIN_MS. */
export const CLICK_API_TIMEOUT_MS = 1200
/**
 * docs.slack.dev/apis/web-api/rate-limits: chat.postMessage takes about one message a second and conversation, and short
 * bursts beyond it.
 */
export const POST_EVERY_MS = 1000
export const POST_BURST_MAX = 5

/**
 * Around the instant at which a message was tried: our clock against Slack's, and what a request may take on its way. The
 * message names itself, so more only costs reading.
 */
export const FIND_BEFORE_MS = 5 * 60_000
export const FIND_AFTER_MS = 15 * 60_000
/** docs.slack.dev/reference/methods/conversations.history: Slack recommends no more than 200 a page. */
export const FIND_PAGE = 200
export const FIND_PAGES_MAX = 20

/** Where Slack's 429 names no time. */
export const RETRY_AFTER_DEFAULT_MS = 1000

/** docs.slack.dev/reference/methods/conversations.members: at most 999 a page. */
export const GROUP_PAGE_MAX = 999

/** docs.slack.dev/reference/methods/conversations.info: 50 a minute. What `doctor` asks of those that a policy names. */
export const ROOMS_CHECKED_MAX = 40

export const RECONNECT_FIRST_MS = 500
export const RECONNECT_MAX_MS = 30_000
/** An answer to the close frame of Socket Mode is waited for no longer. */
export const CLOSE_WAIT_MS = 2000

/** docs.slack.dev/reference/block-kit/composition-objects/option-object, and how many of them one menu holds. */
export const OPTION_TEXT_MAX = 75
export const OPTIONS_MAX = 100

/** docs.slack.dev/reference/block-kit/blocks/section-block: the text of one section. */
export const COMMAND_ANSWER_MAX = 3000
/** A signed delivery is fresh for SIGNATURE_AGE_MAX_MS, by a clock that may be SIGNATURE_SKEW_MAX_MS off. */
export const DELIVERY_ONCE_MS = SIGNATURE_AGE_MAX_MS + 2 * SIGNATURE_SKEW_MAX_MS

/** One person's Home is painted no oftener, however often they click. */
export const HOME_EVERY_MS = 1000
/** People whose Home is being painted, or was lately. */
export const HOMES_MAX = 1000
