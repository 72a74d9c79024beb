/** What the README tells people to copy has to work: its two files are read as the gateway would read them. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SLASH_COMMANDS } from '../../bots/slack/scopes.ts'
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

describe('the README', () => {
  it.each([
    ['without a Slack workspace', secrets, null],
    ['with one', { ...secrets, ...slackApp }, 'C0123ABCD'],
  ])('has settings that are right %s', (_sentence, env, approvals) => {
    const parsed = parseSettings(block('countersign.yaml'), { env, file: 'countersign.yaml' })
    if (!parsed.ok) throw new Error(formatProblems(parsed.problems))
    expect(parsed.settings.channels.slack?.approvals ?? null).toBe(approvals)
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
    const [, slack = ''] = /^### Slack: .*?$(.*?)^### /ms.exec(readme) ?? []
    const names = new Set(slack.match(/\b(?:SLACK|FILES)_[A-Z_]+/g))
    const known: readonly string[] = readFileSync(new URL('.env.example', root), 'utf8').match(/^[A-Z_]+(?==)/gm) ?? []
    expect([...names].filter((name) => !known.includes(name))).toEqual([])
    expect(names.size).toBeGreaterThan(4)
    for (const command of Object.keys(SLASH_COMMANDS)) expect(slack).toContain(`\`${command}`)
    // What is to be replaced in the manifest is what stands there.
    const manifest = readFileSync(new URL('manifests/slack/manifest.json', root), 'utf8')
    const [, host = ''] = /sed 's\/([^/]+)\//.exec(slack) ?? []
    expect(manifest.match(/https:\/\/[^/]+/g)?.every((origin) => origin === `https://${host}`)).toBe(true)
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

/** The YAML block whose first line names this file. */
function block(file: string): string {
  const [, text] = new RegExp(`^\`\`\`yaml\\n# ${file}\\n(.*?)^\`\`\`$`, 'ms').exec(readme) ?? []
  if (text === undefined) throw new Error(`the README shows no ${file}`)
  return text
}
