/** What Slack calls the ways that a person may go. */
import type { Words } from '../chat/words.ts'
import { ACCESS_COMMAND } from './actions.ts'

export const WORDS: Words = { access: ACCESS_COMMAND, home: 'in the app’s Home' }
