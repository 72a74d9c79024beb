/** What one chat calls the ways that a person may go; the rest of what is said is the same in all. */
export interface Words {
  /** How access is asked for, as one types it: `/access`. */
  readonly access: string
  /** Where a person finds what is theirs: `in the app’s Home`. */
  readonly home: string
}
