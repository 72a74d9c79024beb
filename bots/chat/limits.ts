/**
 * What a chat shows, and how long it waits, whichever it is. A vendor's own limits stand with its channel. Bytes are of JSON
 * in UTF-8: see clip.ts.
 */

/** Enough of an unknown command to see the slip. */
export const COMMAND_NAME_SHOWN_MAX = 40
/** What of a status a person reads in a chat. */
export const STATUS_ROWS_MAX = 10
/**
 * After a freeze stands, whoever asked is told so no later: the shortest that a chat waits is Slack's three seconds, of
 * which looking up who it is and the write have had their time already.
 */
export const FREEZE_PATIENCE_MS = 500

/** Names, ids, reasons: enough to tell them apart, short enough that no combination breaks the message. */
export const NAME_BYTES_MAX = 160
export const REASON_BYTES_MAX = 500
export const OUTCOME_BYTES_MAX = 1200
/** An approval's first line, where it is one of a list. */
export const HEADLINE_BYTES_MAX = 300

/** What policy says of each tool: more are counted, for the form must stay one that people read. */
export const PREVIEW_SENTENCES_MAX = 60

/** A person's home: rows of one section at a time. Slack takes 100 blocks, and four sections of so many rows fit. */
export const HOME_ROWS_MAX = 5
/** What is looked through for one person's home: each approval may have half a megabyte. */
export const HOME_SCANNED_MAX = 300
export const HOME_SCAN_PAGE = 50
export const HOME_RESOLVED_MAX = 100
export const HOME_GRANTS_MAX = 200

/** A question to the person behind the agent, or its answer, on the card. */
export const REMARK_BYTES_MAX = 300
/** The same, whole: REMARK_LENGTH_MAX in review.ts, each character at its largest. */
export const REMARK_REPLY_BYTES_MAX = 8000
/**
 * What people add to a card while they decide, beside all that an agent can make long: notes of approvers and lines that
 * say why these people are asked, the newest of each, and bytes for who approved or what came of it. The first that fits
 * is taken. The arguments never give way: what stands of them is what everybody's click is held against.
 */
export const ADDED_SHOWN = [
  { notes: 3, why: 3, outcomeBytes: OUTCOME_BYTES_MAX },
  { notes: 1, why: 1, outcomeBytes: 600 },
  { notes: 0, why: 1, outcomeBytes: 300 },
] as const
/** What a person sees of their own agent's call. The card where it is decided shows it all. */
export const OWN_ARGUMENT_ROWS_MAX = 5
export const OWN_ARGUMENT_BYTES_MAX = 300
export const OWN_REMARK_BYTES_MAX = 1000
/** Rows of one kind in a summary. */
export const SUMMARY_ROWS_MAX = 10
/** One row of a summary or a digest: two names and some words. */
export const ROW_BYTES_MAX = 400
/** Enough of an id to tell two sessions of a day apart; the details have it whole. */
export const SHORT_ID_CHARS = 12

export const REVIEWERS_CACHED_MAX = 1000
/** How long a changed e-mail address or role may still count at a click; before the call runs it is asked anew. */
export const REVIEWER_CACHED_MS = 30_000
/** Groups of people.groups that are kept; the settings name no more than a few. */
export const GROUPS_CACHED_MAX = 200
/** With more people in it, a channel names no reviewers but everybody. */
export const GROUP_MEMBERS_MAX = 10_000
