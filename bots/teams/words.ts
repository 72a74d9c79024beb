/** What Teams calls the ways that a person may go. */
import type { Words } from '../chat/words.ts'

export const WORDS: Words = { access: '“access”', home: 'under “home” in our own talk' }
