/**
 * Names for strings and numbers that must not be mixed up. A value is checked once, at the edge where it
 * enters, and carries its name from there on, so that a grant's id can't be passed where an approval's is meant.
 */
export type Brand<T, Name extends string> = T & { readonly __brand: Name }

/** Milliseconds since 1970-01-01T00:00:00Z. Instants end in `At`. */
export type EpochMs = Brand<number, 'EpochMs'>
/** `<issuer>|<subject>`: unique because RFC 7519 §4.1.2 scopes `sub` to its issuer, and an issuer URL has no `|`. */
export type PrincipalId = Brand<string, 'PrincipalId'>
/** `call_…` */
export type CallId = Brand<string, 'CallId'>
/** `apr_…` */
export type ApprovalId = Brand<string, 'ApprovalId'>
/** `gnt_…` */
export type GrantId = Brand<string, 'GrantId'>
/** `cst_…`: what an agent gets for a held call; see task/task.ts. */
export type TaskId = Brand<string, 'TaskId'>
/** `ses_…` */
export type SessionId = Brand<string, 'SessionId'>
/** 64 hexadecimal digits: SHA-256 over what was approved; see approval/fingerprint.ts. */
export type Fingerprint = Brand<string, 'Fingerprint'>
/** 64 hexadecimal digits: SHA-256 of the policy as loaded. */
export type PolicyVersion = Brand<string, 'PolicyVersion'>

export type IdPrefix = 'call' | 'apr' | 'gnt' | 'ses' | 'seg' | 'cst'

/** The only way to make one by hand; edges call it after checking, tests call it freely. */
export const epochMs = (value: number): EpochMs => value as EpochMs
export const principalId = (issuer: string, subject: string): PrincipalId => `${issuer}|${subject}` as PrincipalId
