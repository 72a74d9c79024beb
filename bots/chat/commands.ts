/**
 * Commands as people type them, whichever chat they type them in: the first word chooses, the rest is the command's. What
 * a chat has of its own (how it is called, how it names people, who sees the answer) is the channel's.
 */
import { visible } from '../../src/approval/visible.ts'
import { cureOf } from './fault.ts'
import { COMMAND_NAME_SHOWN_MAX } from './limits.ts'

export interface Said {
  /** Null: nothing, a form says it. */
  readonly message: string | null
  /** What is to be said once all is done. */
  readonly later?: Promise<string>
}

export interface NamedCommand {
  readonly name: string
  /** What follows its name: `@agent | upstream | all`. */
  readonly usage: string
  readonly does: string
}

export type Chosen<C> =
  | { readonly ok: true; readonly command: C; readonly words: string }
  /** Help, asked for or needed. */
  | { readonly ok: false; readonly message: string }

/** `call` is what stands before a command's name, with its space: `/countersign `. */
export function chooseCommand<C extends NamedCommand>(commands: readonly C[], text: string, call: string): Chosen<C> {
  const [, name = '', words = ''] = /^(\S*)\s*(.*)$/s.exec(text) ?? []
  const command = commands.find((one) => one.name === name.toLowerCase())
  if (command !== undefined) return { ok: true, command, words }
  const isHelp = name === '' || name.toLowerCase() === 'help'
  const unknown = isHelp ? '' : `There is no “${name.slice(0, COMMAND_NAME_SHOWN_MAX)}”.\n`
  return { ok: false, message: `${unknown}${helpText(commands, call)}` }
}

function helpText(commands: readonly NamedCommand[], call: string): string {
  const lines = commands.map(({ name, usage, does }) => `${call}${name}${usage && ` ${usage}`}: ${does}`)
  return [...lines, `${call}help: shows this`].join('\n')
}

/** A fault ends as a sentence to the person, never as a command that seems to have worked. */
export function failureText(error: unknown): string {
  return `That failed: ${cureOf(error)} Please try again, or use the countersign command in a shell.`
}

/** Line breaks are ours; whatever else cannot be seen is not. */
export function answerLines(message: string, charsMax: number): string {
  const text = message
    .split('\n')
    .map((line) => visible(line))
    .join('\n')
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`
}
