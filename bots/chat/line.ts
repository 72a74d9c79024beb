/**
 * What is said in one line, whatever the chat: parts that each chat paints with its own makers of text, so that text from
 * outside formats, links and mentions nothing anywhere. Cut already, and with what can't be seen made visible.
 */
export interface Part {
  /** `label` and `note` are words of ours; `text` and `code` may be from outside. */
  readonly as: 'label' | 'note' | 'text' | 'code'
  readonly text: string
}

export type Line = readonly Part[]

export const label = (text: string): Part => ({ as: 'label', text })
export const note = (text: string): Part => ({ as: 'note', text })
export const quoted = (text: string): Part => ({ as: 'text', text })
export const code = (text: string): Part => ({ as: 'code', text })
