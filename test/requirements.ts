/**
 * What Countersign promises: an id, who asks for it, and one sentence.
 *
 * A test cites a promise by having `[ID]` in its title (or in the table row that becomes its title). The test beside
 * this file fails for a promise that no test cites, and for a citation of a promise that isn't here. Ids are never
 * reused.
 */
export interface Requirement {
  readonly id: string
  readonly source: string
  readonly promise: string
}

const readme = 'README'
const mcp = (page: string) => `MCP 2026-07-28, ${page}`

export const requirements: readonly Requirement[] = [
  // Identity
  {
    id: 'REQ-IDENTITY-1',
    source: `RFC 6750 §3, RFC 9728 §5.1, ${mcp('authorization')}`,
    promise: 'A call without a valid token is answered 401, and WWW-Authenticate names the route’s metadata.',
  },
  {
    id: 'REQ-IDENTITY-2',
    source: 'RFC 9728 §3',
    promise: 'Each upstream’s route serves metadata that names the issuers its tokens may come from.',
  },
  {
    id: 'REQ-IDENTITY-3',
    source: 'RFC 8725 §3.8',
    promise: 'The issuer must equal a configured one, character for character.',
  },
  {
    id: 'REQ-IDENTITY-4',
    source: `RFC 8725 §3.9, ${mcp('authorization')}`,
    promise: 'A token issued for someone else’s audience is refused.',
  },
  {
    id: 'REQ-IDENTITY-5',
    source: 'RFC 8725 §3.1',
    promise: 'alg none, and any algorithm the settings don’t list, is refused.',
  },
  { id: 'REQ-IDENTITY-6', source: 'RFC 9068 §2.2', promise: 'A token without exp, iat or sub is refused.' },
  {
    id: 'REQ-IDENTITY-7',
    source: 'RFC 7519 §4.1.4',
    promise: 'A token past its expiry is refused, but for a small skew of clocks.',
  },
  {
    id: 'REQ-IDENTITY-8',
    source: 'RFC 7517 §4.5',
    promise: 'A token of an unknown key is refused, and can’t make the gateway fetch keys again and again.',
  },
  {
    id: 'REQ-IDENTITY-9',
    source: readme,
    promise: 'While an issuer is down, known keys are used for a bounded time, which the recording shows.',
  },
  {
    id: 'REQ-IDENTITY-10',
    source: readme,
    promise: 'Okta, Entra, Auth0 and Keycloak name their claims differently; each is understood.',
  },
  {
    id: 'REQ-IDENTITY-11',
    source: 'RFC 9110 §11.6.2',
    promise: 'Two Authorization headers are refused, not guessed at.',
  },
  // Policy
  { id: 'REQ-POLICY-1', source: readme, promise: 'What no rule allows is denied.' },
  {
    id: 'REQ-POLICY-2',
    source: readme,
    promise: 'deny beats require_approval beats allow, in whatever order rules stand.',
  },
  {
    id: 'REQ-POLICY-3',
    source: readme,
    promise: 'A condition that fails to evaluate restricts: true in a rule that restricts, false in one that allows.',
  },
  {
    id: 'REQ-POLICY-4',
    source: readme,
    promise: 'A wrong settings or policy file is refused at start, every problem with its path and its cure.',
  },
  {
    id: 'REQ-POLICY-5',
    source: mcp('server/tools, error handling'),
    promise: 'A denied call is answered with the rule’s id and reason, in words that an agent can act on.',
  },
  { id: 'REQ-POLICY-6', source: readme, promise: 'No message passes that policy didn’t judge, whatever its method.' },
  // Hold
  { id: 'REQ-HOLD-1', source: readme, promise: 'A call that needs approval reaches the upstream only after it.' },
  {
    id: 'REQ-HOLD-2',
    source: readme,
    promise: 'At its deadline an undecided approval expires, and nothing is forwarded.',
  },
  {
    id: 'REQ-HOLD-3',
    source: mcp('basic/transports/streamable-http, basic/utilities/progress'),
    promise: 'While it is held, the agent’s connection is kept open, with progress where the client asked for it.',
  },
  {
    id: 'REQ-HOLD-4',
    source: readme,
    promise:
      'The gateway killed while it holds a call: approved after its restart, the call runs once, for the agent that comes back.',
  },
  {
    id: 'REQ-HOLD-5',
    source: readme,
    promise: 'An identical call joins the approval that is pending: one card for both.',
  },
  {
    id: 'REQ-HOLD-6',
    source: readme,
    promise: 'Without Redis a call that needs approval is refused within a second, and leaves no approval behind.',
  },
  { id: 'REQ-HOLD-7', source: readme, promise: 'SIGTERM ends the service in order, and what is held stays held.' },
  {
    id: 'REQ-HOLD-8',
    source: readme,
    promise: 'One agent can’t flood reviewers: beyond its limit a call is refused at once, and nobody is asked.',
  },
  {
    id: 'REQ-STEPS-1',
    source: readme,
    promise: 'Each reminder and escalation of a rule happens once, whatever restarts, and is recorded.',
  },
  {
    id: 'REQ-STEPS-2',
    source: readme,
    promise: 'Out of a rule’s hours the reviewers named for them are asked, on the clock of its time zone.',
  },
  {
    id: 'REQ-REASON-1',
    source: readme,
    promise: 'What an agent says it wants a call for is shown to people, and nothing is judged by it.',
  },
  {
    id: 'REQ-AWAY-1',
    source: readme,
    promise:
      'While nobody waits for the decision the card says so, and what Approve will do; approved then, nothing runs until the agent is back, but for a task’s call.',
  },
  {
    id: 'REQ-LEGACY-1',
    source: readme,
    promise: 'A held call is answered as pending before its client’s own time-out, and an identical call joins it.',
  },
  {
    id: 'REQ-LEGACY-2',
    source: 'MCP 2025-11-25, basic/transports',
    promise: 'A client whose stream is cut while its call is held comes back to any replica and gets its one result.',
  },
  {
    id: 'REQ-LEGACY-3',
    source: 'MCP 2025-11-25, basic/utilities/cancellation',
    promise: 'A cancelled call runs no more; a time-out leaves its question open, and any other reason withdraws it.',
  },
  {
    id: 'REQ-LEGACY-4',
    source: readme,
    promise: 'Only the client that was given an id comes back by it, and coming back never runs a call twice.',
  },
  {
    id: 'REQ-ROUND-1',
    source: mcp('basic/patterns/mrtr'),
    promise:
      'A client without tasks waits in bounded rounds, by a sealed state that is good for its principal, its call and its time only.',
  },
  {
    id: 'REQ-ROUND-2',
    source: mcp('basic/patterns/mrtr'),
    promise: 'A client’s answer to what the upstream asked about an approved call goes on without a second hold, once.',
  },
  {
    id: 'REQ-CLIENT-1',
    source: readme,
    promise:
      'Clients from npm, each held for longer than its own time-out, have their one result, and the upstream has seen each call once.',
  },
  // Tasks
  {
    id: 'REQ-TASK-1',
    source: 'MCP extension io.modelcontextprotocol/tasks',
    promise:
      'A held call of a client that declares tasks is answered at once with a durable task; once approved, its call is made once, on whichever replica is there.',
  },
  {
    id: 'REQ-TASK-2',
    source: 'MCP extension io.modelcontextprotocol/tasks, security considerations',
    promise: 'A task is known to nobody but the client and the principal that it was made for.',
  },
  {
    id: 'REQ-TASK-3',
    source: 'MCP extension io.modelcontextprotocol/tasks, task cancellation',
    promise: 'A cancelled task’s call is never sent afterwards; of one that was sent, nobody says that it did not run.',
  },
  {
    id: 'REQ-TASK-4',
    source: 'MCP extension io.modelcontextprotocol/tasks, MCP 2026-07-28, basic/patterns/mrtr',
    promise:
      'What an approved call’s server asks, and the server’s own task, are reached through the gateway’s task, each answer once.',
  },
  // At most once
  {
    id: 'REQ-ONCE-1',
    source: readme,
    promise:
      'An approved call is sent at most once, wherever the gateway stops; where nobody knows whether it ran, people are asked, and until they have said it is not sent again.',
  },
  {
    id: 'REQ-ONCE-2',
    source: readme,
    promise: 'An identical call gets the answer of the one that ran, as long as that answer is kept and undelivered.',
  },
  {
    id: 'REQ-ONCE-3',
    source: readme,
    promise: 'An approved call outlives its agent: its outcome is recorded and its answer waits for who comes back.',
  },
  {
    id: 'REQ-ONCE-4',
    source: readme,
    promise:
      'A denial that nobody was there to hear is told to the agent that comes back, once, and nobody is asked again.',
  },
  {
    id: 'REQ-LARGE-1',
    source: readme,
    promise: 'A large answer of an allowed call is masked and handed on while it arrives; cut off, it is no answer.',
  },
  {
    id: 'REQ-ROUND-3',
    source: readme,
    promise: 'A gateway that is killed in the middle of a round and restarted costs its client nothing but time.',
  },
  // Card
  {
    id: 'REQ-CARD-1',
    source: readme,
    promise: 'The card says who asks for what on which upstream, with the arguments, the rule and the deadline.',
  },
  {
    id: 'REQ-CARD-2',
    source: 'Slack: formatting text for app surfaces',
    promise: 'What an agent wrote can’t format, link, mention or hide anything on the card.',
  },
  {
    id: 'REQ-CARD-3',
    source: 'Slack: verifying requests',
    promise: 'A click whose signature is wrong, old, from the future or already seen changes nothing.',
  },
  {
    id: 'REQ-CARD-4',
    source: 'Slack: reference for blocks, rate limits',
    promise: 'A card keeps Slack’s limits whatever the arguments, and waits when Slack says so.',
  },
  {
    id: 'REQ-CARD-5',
    source: readme,
    promise: 'The console opens by a link that works once, and takes decisions only from its own page.',
  },
  {
    id: 'REQ-CARD-6',
    source: readme,
    promise: 'What does not fit on a card is one tap away, page by page, and a file in its thread; nothing is hidden.',
  },
  {
    id: 'REQ-CARD-7',
    source: readme,
    promise: 'In Teams too, text from outside formats, links and mentions nothing, hides nothing, and becomes no time.',
  },
  {
    id: 'REQ-CARD-8',
    source: readme,
    promise:
      'On a phone, what is asked, how risky it is, Approve and Deny stand on the first screen of an everyday card.',
  },
  {
    id: 'REQ-CHOICE-1',
    source: readme,
    promise: 'Whoever approves may let the like pass for a while, for one of the times that the rule offers.',
  },
  {
    id: 'REQ-CHOICE-2',
    source: readme,
    promise: 'Where a rule wants a second tap, the first one approves nothing and shows all of it once more.',
  },
  {
    id: 'REQ-CHOICE-3',
    source: readme,
    promise: 'Where a rule wants a sign-in, Approve answers with the link to it and decides nothing.',
  },
  {
    id: 'REQ-CHOICE-4',
    source: readme,
    promise: 'Where a rule wants all of it read, Approve is refused until the reviewer opened every page.',
  },
  {
    id: 'REQ-CHOICE-5',
    source: readme,
    promise: 'The digest of what was shown is recorded, and a card that shows something else approves nothing.',
  },
  { id: 'REQ-CHOICE-6', source: readme, promise: 'A reviewer can ask the person behind the agent, on the card.' },
  {
    id: 'REQ-CHOICE-7',
    source: readme,
    promise: 'One order denies everything that an agent waits for, as far as the reviewer may.',
  },
  // Review
  {
    id: 'REQ-REVIEW-1',
    source: readme,
    promise: 'Of a click, a deadline and another click at once, exactly one decides.',
  },
  { id: 'REQ-REVIEW-2', source: readme, promise: 'Neither the requester nor the agent’s owner can approve its call.' },
  { id: 'REQ-REVIEW-3', source: readme, promise: 'A late or second click changes nothing and is told so.' },
  { id: 'REQ-REVIEW-4', source: readme, promise: 'Every copy of a decided card shows who decided and when.' },
  { id: 'REQ-REVIEW-5', source: readme, promise: 'Only the people whom the rule names can decide.' },
  {
    id: 'REQ-WORKSPACES-1',
    source: readme,
    promise: 'A rule can ask in a further Slack workspace, and what is clicked there is answered and repainted there.',
  },
  { id: 'REQ-WORKSPACES-2', source: readme, promise: 'A person of two workspaces counts once.' },
  { id: 'REQ-WORKSPACES-3', source: readme, promise: 'A workspace that refuses its token stops no other.' },
  {
    id: 'REQ-WHO-1',
    source: readme,
    promise:
      'Groups of Slack, of Okta and of the identity provider count like a list of people, as they are at the click.',
  },
  {
    id: 'REQ-WHO-2',
    source: readme,
    promise: 'Whoever approved must still be allowed to when the call runs; else their approval is taken back.',
  },
  {
    id: 'REQ-WHO-3',
    source: readme,
    promise: 'Where nobody can tell who may review, nothing is decided and nothing runs, and one can try again.',
  },
  {
    id: 'REQ-WHO-4',
    source: readme,
    promise: 'Guests, bots, deactivated accounts and people of other workspaces never decide; a quorum counts people.',
  },
  {
    id: 'REQ-WHO-5',
    source: readme,
    promise:
      'In Teams only members of the own tenant decide, by their object id; all of their addresses keep them from approving for themselves, or twice.',
  },
  {
    id: 'REQ-WHO-6',
    source: readme,
    promise:
      'Groups of Entra, and the members of a team or channel, count like a list of people, as they are at the click.',
  },
  // Forward
  {
    id: 'REQ-FORWARD-1',
    source: readme,
    promise:
      'What was approved is what is sent: other arguments, or another definition of the tool, need their own approval.',
  },
  {
    id: 'REQ-FORWARD-2',
    source: mcp('authorization, access token privilege restriction'),
    promise: 'The agent’s token and cookies never reach the upstream; only listed headers do.',
  },
  {
    id: 'REQ-FORWARD-3',
    source: readme,
    promise: 'The upstream’s credential never comes back to the agent, in answers or in errors.',
  },
  { id: 'REQ-FORWARD-4', source: readme, promise: 'An approval is used once, however many ask at the same time.' },
  {
    id: 'REQ-FORWARD-5',
    source: mcp('basic/transports/streamable-http'),
    promise: 'Headers that repeat the body (Mcp-Method, Mcp-Name) must agree with it.',
  },
  {
    id: 'REQ-FORWARD-6',
    source: 'MCP 2025-11-25 and 2026-07-28',
    promise: 'Clients of both revisions, with and without sessions, list and call tools.',
  },
  // List
  {
    id: 'REQ-LIST-1',
    source: readme,
    promise:
      'Lists of tools, prompts and resources hide whatever policy could never allow the principal, and nothing else.',
  },
  {
    id: 'REQ-LIST-2',
    source: readme,
    promise: 'A tool whose calls may wait for a person says so where it is listed.',
  },
  {
    id: 'REQ-LIST-3',
    source: mcp('server/utilities/caching'),
    promise: 'A list is private to its principal, and one that policy changed is kept for at most five minutes.',
  },
  {
    id: 'REQ-LIST-4',
    source: readme,
    promise: 'An entry that policy has nothing to say about keeps its bytes.',
  },
  // Upstreams that are a command
  {
    id: 'REQ-STDIO-1',
    source: mcp('basic/transports/stdio'),
    promise:
      'A server that is a command lists and runs its tools, under the same policy and approvals as one over HTTP.',
  },
  {
    id: 'REQ-STDIO-2',
    source: readme,
    promise: 'Ids of two clients never meet, and no principal reaches another’s session or process.',
  },
  {
    id: 'REQ-STDIO-3',
    source: readme,
    promise:
      'A server that ends fails the calls under way at once, never runs them again, and is restarted with back-off.',
  },
  {
    id: 'REQ-STDIO-4',
    source: readme,
    promise: 'The process gets the credential in its environment, and nothing else that the gateway holds.',
  },
  {
    id: 'REQ-STDIO-5',
    source: mcp('basic/versioning, compatibility matrix'),
    promise: 'Agents of both eras are served as the server’s own era allows, and told where it does not.',
  },
  {
    id: 'REQ-STDIO-6',
    source: mcp('basic/transports/stdio, shutdown'),
    promise: 'The gateway’s stop ends every process that it started, with all that those started.',
  },
  {
    id: 'REQ-FORWARD-7',
    source: 'MCP 2025-11-25 and 2026-07-28, basic/transports (backwards compatibility)',
    promise: 'The deprecated HTTP+SSE transport is refused with a sentence, towards clients and upstreams.',
  },
  {
    id: 'REQ-FORWARD-8',
    source: mcp('basic/versioning, backward compatibility'),
    promise: 'Error bodies by which a client tells a server’s era pass byte for byte.',
  },
  {
    id: 'REQ-BATCH-1',
    source: 'MCP 2025-03-26, basic/transports (sending messages to the server)',
    promise: 'Each element of a batch is judged, forwarded and answered as a call of its own.',
  },
  {
    id: 'REQ-CORS-1',
    source: `WHATWG Fetch §3.2, ${mcp('basic/transports/streamable-http, security')}`,
    promise: 'Pages of allowed origins can call and read answers, refusals included; pages of others can’t.',
  },
  // MCP sessions
  {
    id: 'REQ-SESSION-1',
    source: 'MCP 2025-11-25, basic/transports (session management) and security best practices (session hijacking)',
    promise: 'An MCP session is bound to issuer, subject, client and upstream; to anyone else it is 404.',
  },
  {
    id: 'REQ-SESSION-2',
    source: 'MCP 2025-11-25, basic/transports (resumability and redelivery)',
    promise: 'A stream is resumed at the upstream by whom it was sent to, and by nobody else.',
  },
  {
    id: 'REQ-SESSION-3',
    source: 'MCP 2025-11-25, basic/transports and client features',
    promise:
      'What a server asks, tells and hears back belongs to one session, however alike the ids of two clients are.',
  },
  // Mask
  {
    id: 'REQ-MASK-1',
    source: readme,
    promise: 'Secrets that a detector knows are replaced in text, in structured content and in JSON inside text.',
  },
  // Record
  {
    id: 'REQ-RECORD-1',
    source: readme,
    promise: 'The intent is on disk before the upstream sees the call, the outcome after.',
  },
  {
    id: 'REQ-RECORD-2',
    source: readme,
    promise: 'A changed, removed or reordered event breaks the chain, and reading says so.',
  },
  { id: 'REQ-RECORD-3', source: readme, promise: 'Where the recording can’t be written, nothing is forwarded.' },
  { id: 'REQ-RECORD-4', source: readme, promise: '`countersign audit list` and `show` print a session’s timeline.' },
  // The emergency stop
  {
    id: 'REQ-FREEZE-1',
    source: readme,
    promise: 'A freeze stops calls in every replica at once, and stands until somebody thaws it.',
  },
  {
    id: 'REQ-FREEZE-2',
    source: readme,
    promise:
      'Only people.operators freeze and thaw from chat; where none are named, anyone may freeze and nobody thaw.',
  },
  {
    id: 'REQ-FREEZE-3',
    source: readme,
    promise: 'A freeze ends the approvals that wait and the grants in its scope, and everyone is told who did it.',
  },
  {
    id: 'REQ-FREEZE-4',
    source: readme,
    promise: '`countersign freeze` and `thaw` need the settings and Redis, and no running gateway or chat.',
  },
  {
    id: 'REQ-COMMAND-1',
    source: readme,
    promise: 'A slash command is answered once its effect is durable, and runs once however often it is delivered.',
  },
  {
    id: 'REQ-COMMAND-2',
    source: readme,
    promise: 'Where others read the answer to a command, it holds nothing of what one person’s agents ask for.',
  },
  {
    id: 'REQ-PACKAGE-1',
    source: readme,
    promise: 'The app package for Teams keeps to schema 1.29 and asks for what the code uses, and for nothing else.',
  },
  {
    id: 'REQ-FORGED-1',
    source: 'Bot Framework: authentication with the Bot Connector, connector to bot',
    promise:
      'An activity that the Bot Connector didn’t sign for this app, or that is of another tenant, bot or connector, changes nothing.',
  },
  // Revoke and summarise
  { id: 'REQ-REVOKE-1', source: readme, promise: 'A grant that nobody used ends by itself.' },
  {
    id: 'REQ-SUMMARY-1',
    source: readme,
    promise: 'At a session’s end the channel gets a summary: calls, approvals, what was masked, the recording’s hash.',
  },
  {
    id: 'REQ-DIGEST-1',
    source: readme,
    promise: 'A digest says what a week was: reviewers and their times, denials, expiries, tools, what was new.',
  },
  {
    id: 'REQ-DIGEST-2',
    source: readme,
    promise: 'The channel gets each week’s digest once, from however many replicas, also late after an outage.',
  },
  {
    id: 'REQ-SUMMARY-2',
    source: readme,
    promise: 'A session’s summary is one short message with its details in the thread, once each, also after a crash.',
  },
  // Input
  {
    id: 'REQ-INPUT-1',
    source: 'JSON-RPC 2.0 §5.1',
    promise: 'What isn’t JSON, or isn’t JSON-RPC, is refused by name.',
  },
  {
    id: 'REQ-INPUT-2',
    source: 'RFC 8259 §4',
    promise: 'JSON that two readers would read differently (duplicate keys) is refused.',
  },
  { id: 'REQ-INPUT-3', source: readme, promise: 'Too deep or too large a body is refused.' },
  { id: 'REQ-INPUT-4', source: 'RFC 9110 §15.5.16', promise: 'Another content type or an encoded body is refused.' },
  { id: 'REQ-INPUT-5', source: readme, promise: 'An upstream that the settings don’t name is refused.' },
  // Elevated access
  {
    id: 'REQ-ACCESS-1',
    source: readme,
    promise: 'A request for elevated access becomes an approval like any other, for the requester’s own agents alone.',
  },
  {
    id: 'REQ-ACCESS-2',
    source: readme,
    promise: 'Nobody can ask for tools that policy does not offer or the upstream does not list, nor for longer.',
  },
  {
    id: 'REQ-ACCESS-4',
    source: 'Slack: a trigger lives three seconds',
    promise: '/access opens its form at once, and previews who will be asked and what policy will say.',
  },
  {
    id: 'REQ-ACCESS-5',
    source: readme,
    promise: 'App Home shows each person what waits for them, what they asked for and what stands open, and no more.',
  },
  { id: 'REQ-ACCESS-3', source: readme, promise: 'A grant ends later only by a review of its own.' },
  // Transparency
  {
    id: 'REQ-CONFORMANCE-1',
    source: 'the official conformance suite, sets 2025-11-25 and 2026-07-28',
    promise: 'Under a policy that allows all, each check has the status that it has of the server itself.',
  },
  // Standing grants
  {
    id: 'REQ-GRANT-1',
    source: readme,
    promise: 'Approved for a time, calls of that agent and tool pass without a card; nothing else does.',
  },
  {
    id: 'REQ-GRANT-2',
    source: readme,
    promise: 'A grant passes no call of another client, another principal, or an owner nobody vouches for.',
  },
  { id: 'REQ-GRANT-3', source: readme, promise: 'Once a grant is revoked, or has expired, it passes no call.' },
  {
    id: 'REQ-GRANT-4',
    source: readme,
    promise: 'A grant’s end is recorded and told: who ended it, and how many calls of which tool it passed.',
  },
  {
    id: 'REQ-GRANT-5',
    source: readme,
    promise: 'Grants are listed and revoked, and what is held is listed, from a shell too.',
  },
  // Signing in for one approval
  {
    id: 'REQ-STEPUP-1',
    source: readme,
    promise: 'Who signs in for an approval is shown all of it and approves it once, and the recording says how surely.',
  },
  { id: 'REQ-STEPUP-2', source: readme, promise: 'Looking at a link uses nothing up and shows it in nobody’s frame.' },
  {
    id: 'REQ-STEPUP-3',
    source: readme,
    promise: 'Only the person whom a link was made for can approve by it; whoever else signs in is recorded.',
  },
  { id: 'REQ-STEPUP-4', source: readme, promise: 'A link works once, shortly, and until a newer one is made.' },
  { id: 'REQ-STEPUP-5', source: readme, promise: 'Nothing is decided by a form of another page.' },
  {
    id: 'REQ-STEPUP-6',
    source: readme,
    promise: 'Where passkeys are asked for, one signs the approval’s fingerprint before it counts.',
  },
  {
    id: 'REQ-STEPUP-7',
    source: 'WebAuthn Level 3 §13.4.3',
    promise: 'A passkey’s signature serves one try of one approval.',
  },
  {
    id: 'REQ-STEPUP-8',
    source: readme,
    promise: 'After the first passkey, none is added or removed without one that the person has.',
  },
  {
    id: 'REQ-STEPUP-9',
    source: 'OpenID Connect Core 1.0 §3.1.3.7',
    promise:
      'A sign-in counts only where the issuer signed that it happened now, for this request, by a verified address.',
  },
  {
    id: 'REQ-STEPUP-10',
    source: readme,
    promise: 'A rule that asks for signing in is approved by no click alone, in no channel.',
  },
  // Races
  {
    id: 'REQ-RACE-1',
    source: readme,
    promise:
      'Of all that ends an approval at the same time, in however many processes, one wins; the others are told that it was decided.',
  },
  // Delivery
  {
    id: 'REQ-DELIVERY-1',
    source: readme,
    promise:
      'A card is posted once, also where the process dies, or the answer is lost, between posting and remembering.',
  },
  { id: 'REQ-DELIVERY-2', source: readme, promise: 'Rate limits delay cards; they lose none and double none.' },
  {
    id: 'REQ-DELIVERY-3',
    source: readme,
    promise: 'While Slack is down holds wait and others decide; cards appear when it is back, expired ones never do.',
  },
  {
    id: 'REQ-DELIVERY-4',
    source: readme,
    promise: 'The conversations that Teams told of are known again after a restart, of the gateway and of Redis.',
  },
  {
    id: 'REQ-DELIVERY-5',
    source: readme,
    promise:
      'A message of which Teams never said whether it took it is never posted twice: with Graph it is looked for, without it nothing is posted until somebody acts on it.',
  },
  {
    id: 'REQ-TEAMS-1',
    source: readme,
    promise:
      'Nothing is done for a request that the Bot Connector did not sign for this app, for Teams, its serviceUrl and this tenant.',
  },
  {
    id: 'REQ-TEAMS-2',
    source: readme,
    promise:
      'What Teams could not take is tried again after a jittered wait; what it may have taken is never sent twice.',
  },
  {
    id: 'REQ-TEAMS-3',
    source: readme,
    promise: 'A repeated activity of Teams runs nothing again, on whichever replica it arrives.',
  },
  {
    id: 'REQ-TEAMS-4',
    source: 'Microsoft Teams: message extensions, action commands; bots, conversation events',
    promise:
      'Whoever installs the app for themselves is told what they can do, once; the compose action works in every conversation, and none is taken for ours by it.',
  },
  // Several channels
  {
    id: 'REQ-CHANNEL-1',
    source: readme,
    promise:
      'An approval is shown in every channel at once. The first decision wins in all of them, and every copy is repainted, by the next process where one was killed.',
  },
  {
    id: 'REQ-CHANNEL-2',
    source: readme,
    promise: 'Who has one e-mail address in several channels is one person of a quorum.',
  },
  {
    id: 'REQ-CHANNEL-3',
    source: readme,
    promise: 'The person behind an agent is told in private in every chat that knows them, and may take it back there.',
  },
  {
    id: 'REQ-CHANNEL-4',
    source: readme,
    promise:
      'In every channel a person who may not decide, or comes too late, is told so and nobody else is; and a reason that is written in its form is the one that is kept.',
  },
  // The project itself
  {
    id: 'REQ-DOCTOR-1',
    source: readme,
    promise: '`countersign doctor` names what is wrong with the set-up, and its cure.',
  },
  {
    id: 'REQ-DOCTOR-2',
    source: readme,
    promise:
      '`countersign doctor` checks Slack’s token, scopes, channels, signing secret, addresses and clock, and says the cure.',
  },
  { id: 'REQ-ARCH-1', source: 'ARCHITECTURE', promise: 'The layers import each other only as ARCHITECTURE says.' },
]
