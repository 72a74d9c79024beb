/** What `countersign doctor` says about Slack: one line each, with the cure where it fails. */
import type { Secret } from '../../src/secret.ts'
import { BOT_SCOPES } from './scopes.ts'
import { asChannelError, CURES, platformError, type SlackWeb } from './web.ts'

export interface CheckLine {
  readonly ok: boolean
  readonly what: string
  readonly cure: string | null
}

export async function checkSlack(web: SlackWeb, appToken: Secret | null, appWeb: SlackWeb): Promise<CheckLine[]> {
  const lines = await checkBotToken(web)
  if (appToken !== null) lines.push(await checkAppToken(appWeb))
  return lines
}

async function checkBotToken(web: SlackWeb): Promise<CheckLine[]> {
  try {
    const answer = await web.auth.test()
    const granted = new Set(answer.response_metadata?.scopes ?? [])
    return [
      { ok: true, what: `Slack accepts the bot token in workspace ${answer.team_id ?? '?'}`, cure: null },
      ...Object.entries(BOT_SCOPES).map(([scope, why]) => scopeLine(scope, why, granted.has(scope))),
    ]
  } catch (error) {
    return [failed('Slack accepts the bot token', 'auth.test', error)]
  }
}

function scopeLine(scope: string, why: string, ok: boolean): CheckLine {
  const cure = `Add ${scope} under OAuth & Permissions (see manifests/slack/manifest.json) and reinstall the app.`
  return { ok, what: `Slack scope ${scope}: ${why}`, cure: ok ? null : cure }
}

async function checkAppToken(appWeb: SlackWeb): Promise<CheckLine> {
  try {
    await appWeb.apps.connections.open({})
    return { ok: true, what: 'Slack opens Socket Mode with the app token', cure: null }
  } catch (error) {
    return failed('Slack opens Socket Mode with the app token', 'apps.connections.open', error)
  }
}

function failed(what: string, method: string, error: unknown): CheckLine {
  const code = platformError(error)
  if (code === null) return { ok: false, what, cure: asChannelError(method, error).message }
  const app = method === 'apps.connections.open'
  const cure = app
    ? 'Turn Socket Mode on and make an app-level token with connections:write for channels.slack.appToken.'
    : (CURES[code] ?? 'See docs.slack.dev for this error.')
  return { ok: false, what: `${what}: ${code}`, cure }
}
