/** What the README tells people to copy has to work: its two files are read as the gateway would read them. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SLASH_COMMANDS } from '../../bots/slack/scopes.ts'
import { PEOPLE_PERMISSIONS } from '../../bots/teams/entra.ts'
import { MESSAGES_PATH } from '../../bots/teams/inbound.ts'
import { formatProblems } from '../../src/config/problems.ts'
import { parseSettings } from '../../src/config/settings.ts'
import { loadPolicy } from '../../src/policy/load.ts'

const root = new URL('../../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')
const secrets = { FILES_TOKEN: 'a-token-of-the-files-server' }
const slackApp = {
  SLACK_BOT_TOKEN: 'xoxb-1-2-abc',
  SLACK_SIGNING_SECRET: '0123456789abcdef0123456789abcdef',
  SLACK_APPROVALS: 'C0123ABCD',
}
const teamsApp = {
  TEAMS_APP_ID: '6b2c8d1e-1111-4222-8333-444455556666',
  TEAMS_TENANT_ID: '7c3d9e2f-1111-4222-8333-444455556666',
  TEAMS_APP_PASSWORD: 'a-secret-of-the-app-registration',
  TEAMS_APPROVALS: '19:0123456789abcdef@thread.tacv2',
}

describe('the README', () => {
  it.each([
    ['without a Slack workspace', secrets, null, null],
    ['with one', { ...secrets, ...slackApp }, 'C0123ABCD', null],
    ['with a tenant of Teams', { ...secrets, ...teamsApp }, null, teamsApp.TEAMS_APPROVALS],
  ])('has settings that are right %s', (_sentence, env, approvals, teamsApprovals) => {
    const parsed = parseSettings(block('countersign.yaml'), { env, file: 'countersign.yaml' })
    if (!parsed.ok) throw new Error(formatProblems(parsed.problems))
    expect(parsed.settings.channels.slack?.approvals ?? null).toBe(approvals)
    expect(parsed.settings.channels.teams?.approvals ?? null).toBe(teamsApprovals)
    expect(parsed.settings.channels.console.enabled).toBe(true)
  })

  it('has a policy that is right for these settings', () => {
    const loaded = loadPolicy(block('policy.yaml'), {
      ...{ file: 'policy.yaml', upstreams: ['files'], groups: ['editors'], channels: ['console'] },
    })
    if (!loaded.ok) throw new Error(formatProblems(loaded.problems))
    expect(loaded.warnings).toEqual([])
    expect(loaded.policy.rules.map(({ id }) => id)).toEqual(['no-environment-files', 'writes', 'readers'])
  })

  it('leads through Slack by names that the environment and the app have', () => {
    const slack = section('Slack: .*?')
    const names = namesIn(slack)
    expect(names.filter((name) => !environment.includes(name))).toEqual([])
    expect(names.length).toBeGreaterThan(4)
    for (const command of Object.keys(SLASH_COMMANDS))
      expect(section('What people can do.*?')).toContain(`\`${command}`)
    // What is to be replaced in the manifest is what stands there.
    const manifest = readFileSync(new URL('manifests/slack/manifest.json', root), 'utf8')
    const [, host = ''] = /sed 's\/([^/]+)\//.exec(slack) ?? []
    expect(manifest.match(/https:\/\/[^/]+/g)?.every((origin) => origin === `https://${host}`)).toBe(true)
  })

  it('leads through Teams by names that the environment, the settings and the app have', () => {
    const teams = section('Microsoft Teams: .*?')
    expect(namesIn(teams).sort()).toEqual(environment.filter((name) => name.startsWith('TEAMS_')).sort())
    const parsed = parseSettings(block('countersign.yaml'), {
      env: { ...secrets, ...teamsApp },
      file: 'countersign.yaml',
    })
    const keys = parsed.ok ? Object.keys(parsed.settings.channels.teams ?? {}) : []
    const told = [...teams.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = '']) => cell.match(/(?<=`)[a-zA-Z]+/g) ?? [])
    const stepByStep = ['appId', 'tenantId', 'appPassword']
    expect([...told, ...stepByStep].sort()).toEqual(keys.sort())
    expect(teams).toContain(MESSAGES_PATH)
    for (const permission of Object.keys(PEOPLE_PERMISSIONS)) expect(teams).toContain(`\`${permission}\``)
  })

  it('leads to files that are there', () => {
    const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md']
    const links = documents.flatMap((file) =>
      [...readFileSync(new URL(file, root), 'utf8').matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, to]) => `${to}`),
    )
    expect(links.length).toBeGreaterThan(5)
    expect(links.filter((to) => !existsSync(new URL(to, root)))).toEqual([])
  })
})

const environment: readonly string[] =
  readFileSync(new URL('.env.example', root), 'utf8').match(/^[A-Z_]+(?==)/gm) ?? []

const namesIn = (text: string) => [...new Set(text.match(/\b(?:SLACK|FILES|TEAMS)_[A-Z_]+/g))]

/** From the heading to the next one of its kind. */
function section(heading: string): string {
  const [, text] = new RegExp(`^### ${heading}$(.*?)^### `, 'ms').exec(readme) ?? []
  if (text === undefined) throw new Error(`the README has no section ${heading}`)
  return text
}

/** The YAML block whose first line names this file. */
function block(file: string): string {
  const [, text] = new RegExp(`^\`\`\`yaml\\n# ${file}\\n(.*?)^\`\`\`$`, 'ms').exec(readme) ?? []
  if (text === undefined) throw new Error(`the README shows no ${file}`)
  return text
}
