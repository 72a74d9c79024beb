/**
 * The OIDC provider in a process of its own: it prints notices of its own to the console at import, which are for whoever
 * runs it as a service, and which the demo keeps apart from its trace.
 *
 * Prints one line, `issuer <URL>`, when it can be asked.
 */
import { DEMO_CLIENT_ID, DEMO_SCOPES, PEOPLE } from './cast.ts'
import { startOidcIssuer } from './oidc-issuer.ts'

const { issuer } = await startOidcIssuer({ people: PEOPLE, clientId: DEMO_CLIENT_ID, scopes: DEMO_SCOPES })
process.stdout.write(`issuer ${issuer}\n`)
