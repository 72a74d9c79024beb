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
