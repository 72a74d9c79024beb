/**
 * What Teams refuses, and what we allow ourselves below it. A card that breaks one of these is never shown, and a call
 * that nobody sees can't be approved: so every text is cut before, and the cut is said on the card. Bytes are of JSON in
 * UTF-8, as bots/chat/clip.ts counts them.
 */

/**
 * One card with all that is in it. Teams takes a message of 100 KB in UTF-16 and recommends 80 KB
 * (learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages); the same page said 40 KB and 28 KB
 * before, and other clouds lag behind. In UTF-16 this is at most 56 KB.
 */
export const CARD_BYTES_MAX = 28_000
/** Of these, what people read; the rest is for who refreshes. */
export const BODY_BYTES_MAX = 20_000
/** learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/work-with-universal-actions-for-adaptive-cards */
export const REFRESH_PEOPLE_MAX = 60
/** Of one set; further ones are not drawn. Not documented: measured in atc0005/go-teams-notify#161. */
export const ACTIONS_MAX = 6

/** The first line of a card: a phone has four lines for it. */
export const HEADLINE_BYTES_MAX = 200
/** Of the body: what the arguments may take, what one of them may take, and how many rows there are at most. */
export const ARGUMENTS_BYTES_MAX = 7000
export const ARGUMENT_BYTES_MAX = 2000
export const ARGUMENT_ROWS_MAX = 20
/** A value of one line that stands beside its name: a phone shows about 40 characters a line. */
export const SHORT_VALUE_MAX = 60
/** A row's name, its note and the JSON around them. */
export const ROW_BYTES = 600
/** One page of the dialog that shows all arguments. */
export const PAGE_BYTES_MAX = 12_000
/** What one person alone is told, on their own view of the card. */
export const SAID_BYTES_MAX = 800

/** As long as a remark may be: REMARK_LENGTH_MAX in src/review. Clients may ignore it. */
export const REMARK_CHARS_MAX = 2000
/** A reason or a note; src/review cuts what is longer. */
export const REASON_CHARS_MAX = 500
/** Times to approve for: more than people choose among. */
export const DURATIONS_SHOWN_MAX = 9
/** All lists of a summary or a digest together. */
export const SECTIONS_BYTES_MAX = 14_000
/** One line of a notification. */
export const SUMMARY_BYTES_MAX = 300
