/** What a chat shows, and how long it waits, whichever it is. A vendor's own limits stand with its channel. */

/** Enough of an unknown command to see the slip. */
export const COMMAND_NAME_SHOWN_MAX = 40
/** What of a status a person reads in a chat. */
export const STATUS_ROWS_MAX = 10
/**
 * After a freeze stands, whoever asked is told so no later: the shortest that a chat waits is Slack's three seconds, of
 * which looking up who it is and the write have had their time already.
 */
export const FREEZE_PATIENCE_MS = 500
