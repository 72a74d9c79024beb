/**
 * A credential that cannot print itself. Logs, errors and JSON see `[secret]`; `reveal()` is called only where
 * the upstream's header is written and where masking looks for the credential in an answer.
 */
import { inspect } from 'node:util'

export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
