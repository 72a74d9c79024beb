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
/** Teams folds no card: the buttons must stay within a few screens of a phone, however short the lines are. */
export const ARGUMENT_LINES_MAX = 16
/** What a line counts for, beside what stands in it. */
export const LINE_BYTES = 60
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
/** One small line below a card: names and some words. */
export const NOTE_BYTES_MAX = 700
/** One line of a notification. */
export const SUMMARY_BYTES_MAX = 300

/**
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit: one bot in one conversation may 7 times in a second,
 * 8 in two, 60 in thirty and 1,800 in an hour; changing a message counts like posting one. Both have a share of their own,
 * so that no storm of new cards holds up the repaint of what was decided; together they stay below each of the four.
 */
export const POST_LIMITS = [
  { burst: 3, everyMs: 1100 },
  { burst: 300, everyMs: 4000 },
] as const
export const UPDATE_LIMITS = [
  { burst: 3, everyMs: 1100 },
  { burst: 80, everyMs: 7200 },
] as const
/** A conversation that nobody told of is looked for again so often. */
export const UNKNOWN_CONVERSATION_RETRY_MS = 15_000

/** Where what a message needs can't be read just now: Redis is back within seconds, or its workers wait for it anyway. */
export const NOT_READY_RETRY_MS = 5000

/**
 * Around the instant at which a message was tried: our clock against Teams', and what a request may take on its way. The
 * message names itself, so more only costs reading.
 */
export const FIND_BEFORE_MS = 5 * 60_000
export const FIND_AFTER_MS = 15 * 60_000
/** learn.microsoft.com/graph/api/channel-list-messages: at most 50 a page. */
export const FIND_PAGE = 50
export const FIND_PAGES_MAX = 20
/** Teams in which a channel is looked for that none has named. */
export const TEAMS_TRIED_MAX = 20

/** How long a person who left is still offered their own view: convenience, because each click is judged anew. */
export const ROSTER_CACHED_MS = 5 * 60_000
/** After it could not be had. */
export const ROSTER_RETRY_MS = 60_000
/** Two pages of them: in a larger conversation nobody is offered a view, and everybody may click. */
export const ROSTER_MAX = 1000
export const ROSTERS_CACHED_MAX = 200
/** What looking up who of them may review may take before a card goes out. */
export const VIEWERS_WITHIN_MS = 1500
/** People whose talk is kept, and for how long a changed address or role may still count. */
export const REQUESTERS_CACHED_MAX = 1000
export const REQUESTER_CACHED_MS = 30_000
