/**
 * The two files that a newcomer reads first, as the demo writes them: short, commented, and right (a test reads them as
 * the gateway does).
 */

/** The settings file's first line: by it the demo knows a directory that an earlier run made. */
export const MARK = '# Written by `npm run demo`.'

/** Which of Slack's two ways the environment has what it takes for. */
export type SlackUse =
  | { readonly kind: 'none'; readonly missing: readonly string[] }
  | {
      readonly kind: 'socket' | 'http'
      /** Name of the variable that holds the channel's id. */
      readonly approvals: string
    }

export interface SettingsValues {
  readonly port: number
  readonly issuer: string
  readonly upstream: string
  readonly reviewer: string
  readonly keyPrefix: string
  readonly slack: SlackUse
}

export function settingsText({ port, issuer, upstream, reviewer, keyPrefix, slack }: SettingsValues): string {
  const url = `http://127.0.0.1:${port}`
  return `${MARK} The next run with this --dir writes it anew: copy it before you change it.
#
# \${NAME} takes from the environment, so that no secret has to stand here. A key that nobody knows is refused.

gateway:
  listen: 127.0.0.1:${port}              # this machine only
  publicUrl: ${url}    # what agents dial; for others than this machine an https URL

# Whose access tokens count. A token must be issued for the route that it is used on: ${url}/mcp/files
identity:
  issuers:
    - issuer: ${issuer}
      algorithms: [RS256]
      allowInsecureLoopbackIssuer: true    # only because the demo's issuer is on this machine, without https
  scopes: [mcp:call]

# The MCP servers. Agents call ${url}/mcp/files and never see the server's own key.
upstreams:
  files:
    url: ${upstream}
    credential: { kind: static, header: X-API-Key, secret: "\${FILES_API_KEY}" }

policy: ./policy.yaml

# Names that the policy may use for people.
people:
  groups:
    reviewers: [${reviewer}]

# Where people are asked. The console is a page on this machine, opened by a link that works once.
channels:
  console: { enabled: true, reviewer: ${reviewer} }
${slackText(slack)}
recordings:
  directory: ./recordings

sessions:
  idle: 3s                               # so that you need not wait for the summary; 15m is the default

redis:
  keyPrefix: ${keyPrefix}              # no url: REDIS_URL, or else a real Redis is started on this machine
`
}

function slackText(slack: SlackUse): string {
  switch (slack.kind) {
    case 'socket':
      return `  slack:                                 # Socket Mode: Slack needs no way in to this machine
    botToken: "\${SLACK_BOT_TOKEN}"
    appToken: "\${SLACK_APP_TOKEN}"
    approvals: "\${${slack.approvals}}"
`
    case 'http':
      return `  slack:                                 # Slack posts clicks to <publicUrl>/slack/events
    botToken: "\${SLACK_BOT_TOKEN}"
    signingSecret: "\${SLACK_SIGNING_SECRET}"
    approvals: "\${${slack.approvals}}"
`
    case 'none':
      return `  # slack: { botToken: "\${SLACK_BOT_TOKEN}", appToken: "\${SLACK_APP_TOKEN}", approvals: "\${SLACK_APPROVALS}" }
`
  }
}

/** Of policyText. */
export const RULES = { secrets: 'no-environment-files', writing: 'writing', reading: 'reading' } as const

/** In a real workspace nobody is called bob@example.com: there everyone in the channel may decide, but the owner. */
export function policyText({ deadline, slack }: { readonly deadline: string; readonly slack: SlackUse }): string {
  const from = slack.kind === 'none' ? 'from: [reviewers], ' : ''
  const whom = slack.kind === 'none' ? 'One of these people' : 'Anyone in the channel'
  return `# deny beats require_approval beats allow, in whatever order the rules stand. What no rule allows is denied.
version: 1
defaults: { effect: deny }

rules:
  # A condition is CEL (https://cel.dev). If it can't be evaluated, a rule that restricts applies.
  - id: ${RULES.secrets}
    match: { upstream: files }
    when: 'has(mcp.tool.arguments.path) && mcp.tool.arguments.path.lowerAscii().contains(".env")'
    effect: deny
    reason: "Environment files hold credentials."

  # ${whom} must agree before the server sees the call. The agent's owner never counts.
  - id: ${RULES.writing}
    match: { upstream: files, tool: [write_file, edit_file, move_file, create_directory] }
    effect: require_approval
    reason: "Writing changes what others rely on."
    approval: { ${from}deadline: ${deadline} }

  # Known kinds of secrets in the answers are masked, whatever the rule.
  - id: ${RULES.reading}
    match: { upstream: files, tool: [read_text_file, list_*, search_files, directory_tree, get_file_info] }
    effect: allow

# The gateway starts only if its policy does what these say.
tests:
  - name: reading needs nobody
    call: { upstream: files, tool: read_text_file, arguments: { path: notes.md } }
    expect: { effect: allow, rule: ${RULES.reading} }
  - name: environment files stay closed, however they are spelt
    call: { upstream: files, tool: read_text_file, arguments: { path: config/PRODUCTION.Env } }
    expect: { effect: deny, rule: ${RULES.secrets} }
  - name: not even an approval opens them
    call: { upstream: files, tool: write_file, arguments: { path: production.env, content: "" } }
    expect: { effect: deny, rule: ${RULES.secrets} }
  - name: writing asks a person
    call: { upstream: files, tool: write_file, arguments: { path: report.md, content: Hello } }
    expect: { effect: require_approval, rule: ${RULES.writing} }
  - name: a tool that no rule names is denied
    call: { upstream: files, tool: read_multiple_files, arguments: { paths: [production.env] } }
    expect: { effect: deny, rule: default }
`
}

/** Socket Mode first: for the other way Slack must reach this machine by a public URL. */
export function slackUseOf(env: Readonly<Record<string, string | undefined>>): SlackUse {
  const approvals = ['SLACK_APPROVALS', 'SLACK_APPROVALS_CHANNEL'].find((name) => env[name])
  const missing = [
    ...(env.SLACK_BOT_TOKEN ? [] : ['SLACK_BOT_TOKEN']),
    ...(env.SLACK_APP_TOKEN || env.SLACK_SIGNING_SECRET ? [] : ['SLACK_APP_TOKEN']),
    ...(approvals ? [] : ['SLACK_APPROVALS']),
  ]
  if (approvals === undefined || missing.length > 0) return { kind: 'none', missing }
  return { kind: env.SLACK_APP_TOKEN ? 'socket' : 'http', approvals }
}
