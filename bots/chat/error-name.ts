/** What may be logged of an error: the chat's code for it, or its name; never its message, which may quote a request. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
