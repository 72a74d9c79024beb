/**
 * Names of fields whose text is secret whatever it looks like: `{"password": "hunter2"}`.
 *
 * Names are compared without case, hyphens, underscores and spaces, and by their end, so that `DB_PASSWORD` and
 * `userPassword` count. `token` alone also names a page to come or a word of a model, so it asks for length; the
 * handles that MCP itself has clients send back (`nextCursor`, `progressToken`) are no secret fields.
 */
const BY_END =
  /(?:password|passwd|passphrase|secret|secretkey|secretaccesskey|accesskey|apikey|apitoken|accesstoken|refreshtoken|authtoken|bearertoken|sessiontoken|idtoken|privatekey)$/
const WHOLE = /^(?:pwd|authorization|proxyauthorization)$/
/** Shorter ones are words and page numbers. */
const TOKEN_MIN = 16
/** No field that matters has a longer name; bounds the work on hostile keys. */
const NAME_MAX = 128

export const SECRET_FIELD = 'secret-field'

export type FieldKind = 'secret' | 'token' | 'other'

export function fieldKind(name: string): FieldKind {
  if (name.length < 3 || name.length > NAME_MAX) return 'other'
  const folded = name.toLowerCase().replace(/[-_ ]/g, '')
  if (folded === 'token') return 'token'
  return BY_END.test(folded) || WHOLE.test(folded) ? 'secret' : 'other'
}

export function isSecretValue(kind: FieldKind, value: string): boolean {
  if (value === '' || value.startsWith('[masked:')) return false
  return kind === 'secret' || (kind === 'token' && value.length >= TOKEN_MIN)
}
