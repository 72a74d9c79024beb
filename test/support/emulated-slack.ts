/**
 * A Slack that nobody here wrote: https://www.npmjs.com/package/emulate. It knows the Web API and sends nothing by itself.
 * Scopes are checked (`strict_scopes`), so that the app has here what the manifest asks for and no more; the people of
 * the workspace have a token of their own to look at what the app did.
 */
import { fileURLToPath } from 'node:url'
import { webApi } from '@slack/bolt'
import { BOT_SCOPES } from '../../bots/slack/scopes.ts'
import { freePort, start, whenListening } from '../../demo/processes.ts'

const PROCESS = fileURLToPath(new URL('../../dist/test/support/emulated-slack-process.js', import.meta.url))
const PERSON_TOKEN = 'xoxp-a-person'
const APP = { app_id: 'A000000COUNT', bot_id: 'B000000COUNT', bot_user_id: 'U00000COUNT' }

export type EmulatedSlack = Awaited<ReturnType<typeof startEmulatedSlack>>

export async function startEmulatedSlack(options: { people: readonly string[]; channels: readonly string[] }) {
  const port = await freePort()
  const oauth = { client_id: '1.2', client_secret: 'unused', redirect_uris: [], name: 'Countersign' }
  const token = 'xoxb-the-app'
  const scopes = Object.keys(BOT_SCOPES)
  const seed = {
    strict_scopes: true,
    team: { name: 'Emulated', domain: 'emulated' },
    users: options.people.map((name) => ({ name, real_name: name, email: `${name}@example.com` })),
    channels: options.channels.map((name) => ({ name })),
    oauth_apps: [{ ...oauth, ...APP, bot_name: 'countersign', scopes }],
    // With no scopes named, emulate grants a token all that it knows.
    tokens: [
      { token, type: 'bot', user: 'countersign', scopes, ...APP },
      { token: PERSON_TOKEN, user: 'admin' },
    ],
  }
  const child = start(process.execPath, [PROCESS, String(port), JSON.stringify(seed)])
  await whenListening(port, child)
  const apiUrl = `http://127.0.0.1:${port}/api/`
  const asPerson = new webApi.WebClient(PERSON_TOKEN, { slackApiUrl: apiUrl, retryConfig: { retries: 0 } })
  const asApp = new webApi.WebClient(token, { slackApiUrl: apiUrl, retryConfig: { retries: 0 } })
  const { channels = [] } = await asPerson.conversations.list({})
  return {
    apiUrl,
    token,
    asPerson,
    botUserId: APP.bot_user_id,
    asApp,
    channel: (name: string) => String(channels.find((channel) => channel.name === name)?.id),
    /** As people see it who look into emulate's own page of what was published and opened. */
    async viewsPage(): Promise<string> {
      return (await fetch(`http://127.0.0.1:${port}/?tab=views`)).text()
    },
    /** As a click brings it. */
    async triggerFor(userId: string): Promise<string> {
      const answer = await asApp.apiCall('views.generateTriggerId', { user_id: userId })
      return String((answer as { trigger_id?: unknown }).trigger_id)
    },
    async userId(name: string): Promise<string> {
      const { user } = await asPerson.users.lookupByEmail({ email: `${name}@example.com` })
      return String(user?.id)
    },
    close: () => child.stop(),
  }
}
