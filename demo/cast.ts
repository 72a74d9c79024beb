/** Who plays in the demo. */
import type { Person } from './oidc-issuer.ts'

/** The agent works for her: she is its owner, and can't approve what it does. */
export const ALICE: Person = { login: 'alice@example.com', uid: '00u1alice', groups: ['engineering'] }
/** He decides. */
export const BOB: Person = { login: 'bob@example.com', uid: '00u2bob', groups: ['engineering', 'reviewers'] }
export const PEOPLE: readonly Person[] = [ALICE, BOB]

export const DEMO_CLIENT_ID = '0oa1demoagent'
export const DEMO_SCOPES: readonly string[] = ['mcp:call']
