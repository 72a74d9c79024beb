/** Whoever acted in a chat, once the chat vouched for them. */
import type { Reviewer } from '../../src/people/reviewer.ts'

export type WhoClicked =
  | { readonly ok: true; readonly reviewer: Reviewer }
  /** `message` is for them: guests, strangers, people without an address. */
  | { readonly ok: false; readonly message: string }
