/**
 * What manifests/slack asks a workspace for, against what the code does there: the methods that it calls, read from the
 * source, with the scopes that Slack's pages name for each; events, commands and addresses likewise. What is missing and
 * what is not needed fail alike: nobody should grant an app more than it uses.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import * as actions from '../../bots/slack/actions.ts'
import { BOT_EVENTS, BOT_SCOPES, SLASH_COMMANDS } from '../../bots/slack/scopes.ts'
import { EVENTS_PATH } from '../../bots/slack/slack-channel.ts'

const read = (name: string) => JSON.parse(readFileSync(`manifests/slack/${name}`, 'utf8'))
const http = read('manifest.json')
const socket = read('manifest.socket-mode.json')

/** docs.slack.dev/reference/methods/…: public channels and private ones; of private talks only the history is read. */
const READ = ['channels:read', 'groups:read']
const HISTORY = ['channels:history', 'groups:history', 'im:history']
/** Without users:read.email the answer has no address (docs.slack.dev/reference/methods/users.info). */
const PERSON = ['users:read', 'users:read.email']
const SCOPES_OF: Readonly<Record<string, readonly string[]>> = {
  // connections:write of the app token, which no manifest can ask for.
  'apps.connections.open': [],
  'auth.test': [],
  'chat.getPermalink': [],
  'chat.postEphemeral': ['chat:write'],
  'chat.postMessage': ['chat:write'],
  'chat.update': ['chat:write'],
  'conversations.history': HISTORY,
  'conversations.info': READ,
  'conversations.members': READ,
  'conversations.open': ['im:write'],
  'conversations.replies': HISTORY,
  // files.getUploadURLExternal and files.completeUploadExternal
  filesUploadV2: ['files:write'],
  'usergroups.users.list': ['usergroups:read'],
  'users.info': PERSON,
  'users.lookupByEmail': ['users:read.email'],
  'views.open': [],
  'views.publish': [],
  'views.push': [],
  'views.update': [],
}

const source = readdirSync('bots/slack')
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(`bots/slack/${name}`, 'utf8'))
  .join('\n')

function found(pattern: RegExp): readonly string[] {
  return [...new Set([...source.matchAll(pattern)].map(([, text = '']) => text.replace(/\s/g, '')))].sort()
}

describe('the methods that the code calls', () => {
  it('are those whose scopes are known here', () => {
    expect(found(/\b(?:\w*Web|web)\s*\??\.\s*([a-zA-Z0-9]+(?:\s*\.\s*[a-zA-Z0-9]+)*)\s*\(/g)).toEqual(
      Object.keys(SCOPES_OF).sort(),
    )
  })

  it('are called by no other name: nobody takes Bolt’s client, or a part of ours', () => {
    expect(found(/app\.\w+\([^)]*?\{([^}]*\bclient\b[^}]*)\}\)/g)).toEqual([])
    expect(found(/(?:const|let) (\{[^}]*\}|\w+) = (?:\w+\.)*(?:\w*Web|web)(?:\.\w+)?$/gm)).toEqual([])
  })

  it('need exactly the scopes that the app has, beside that for commands', () => {
    const needed = new Set(['commands', ...Object.values(SCOPES_OF).flat()])
    expect([...needed].sort()).toEqual(Object.keys(BOT_SCOPES).sort())
  })
})

describe('the manifests', () => {
  it('ask for exactly those scopes, and for none of a person’s', () => {
    expect(http.oauth_config).toEqual({ scopes: { bot: Object.keys(BOT_SCOPES) } })
  })

  it('subscribe to exactly the events that are handled', () => {
    expect(found(/app\.event\('([^']+)'/g)).toEqual(Object.keys(BOT_EVENTS).sort())
    expect(http.settings.event_subscriptions.bot_events).toEqual(Object.keys(BOT_EVENTS))
    // Painting a Home that nobody can open would be in vain, and so would a talk that nobody can read.
    expect(http.features.app_home).toEqual({
      home_tab_enabled: true,
      messages_tab_enabled: true,
      messages_tab_read_only_enabled: true,
    })
  })

  it('have exactly the commands that are handled', () => {
    const constants = Object.entries(actions).filter(([name]) => name.endsWith('COMMAND'))
    expect(constants.map(([, command]) => command).sort()).toEqual(Object.keys(SLASH_COMMANDS).sort())
    const used = found(/(?:app\.command\(|registerCommand\(app, )(\w*COMMAND)\b/g)
    expect(used).toEqual(constants.map(([name]) => name).sort())
    const commands: { command: string }[] = http.features.slash_commands
    expect(commands.map(({ command }) => command)).toEqual(Object.keys(SLASH_COMMANDS))
  })

  it('have mentions in /countersign come as ids, which nobody chooses', () => {
    const commands: { command: string; should_escape: boolean }[] = http.features.slash_commands
    expect(commands.find(({ command }) => command === actions.COMMAND)?.should_escape).toBe(true)
  })

  it('have no shortcuts and no menus in messages but those that are answered', () => {
    expect(found(/app\.(shortcut|step|function|message)\(/g)).toEqual([])
    expect(http.features.shortcuts).toBeUndefined()
    expect(found(/app\.(options)\(/g)).toEqual(['options'])
  })

  it('send everything to where we listen', () => {
    const { event_subscriptions: events, interactivity } = http.settings
    const urls = [
      ...http.features.slash_commands.map(({ url }: { url: string }) => url),
      events.request_url,
      interactivity.request_url,
      // What the code answers by app.options().
      interactivity.message_menu_options_url,
    ]
    expect(new Set(urls)).toEqual(new Set([`https://gateway.example.com${EVENTS_PATH}`]))
    expect(interactivity.is_enabled).toBe(true)
    // No other address in it that would have to be replaced.
    expect(JSON.stringify(http).match(/https?:/g)).toHaveLength(urls.length)
  })

  it('are the same for Socket Mode, but for its switch and the addresses', () => {
    const withoutUrls = JSON.parse(JSON.stringify(http), (key, value) => (/(^|_)url$/.test(key) ? undefined : value))
    withoutUrls.settings.socket_mode_enabled = true
    expect(socket).toEqual(withoutUrls)
    expect(http.settings.socket_mode_enabled).toBe(false)
  })

  it.each([
    ['HTTP', http],
    ['Socket Mode', socket],
  ])('keep to Slack’s schema: %s', (_mode, manifest) => {
    expect(Manifest.safeParse(manifest).error).toBeUndefined()
  })

  it.each<[string, (manifest: typeof http) => unknown]>([
    ['a field that Slack does not know', (manifest) => ({ ...manifest, scopes: [] })],
    ['a name that is too long', (manifest) => ({ ...manifest, display_information: { name: 'x'.repeat(36) } })],
  ])('the schema refuses %s', (_what, spoil) => {
    expect(Manifest.safeParse(spoil(http)).success).toBe(false)
  })
})

/** docs.slack.dev/reference/app-manifest, version 2: the fields that are in use here, with Slack's limits. */
const url = z
  .url({ protocol: /^https$/ })
  .max(3000)
  .optional()
const Manifest = z.strictObject({
  _metadata: z.strictObject({ major_version: z.literal(2), minor_version: z.int() }),
  display_information: z.strictObject({
    name: z.string().min(1).max(35),
    description: z.string().min(1).max(140),
    background_color: z.string().regex(/^#([0-9a-f]{3}){1,2}$/i),
  }),
  features: z.strictObject({
    app_home: z.strictObject({
      home_tab_enabled: z.boolean(),
      messages_tab_enabled: z.boolean(),
      messages_tab_read_only_enabled: z.boolean(),
    }),
    bot_user: z.strictObject({ display_name: z.string().min(1).max(80), always_online: z.boolean() }),
    slash_commands: z
      .array(
        z.strictObject({
          command: z.string().regex(/^\/[a-z0-9_-]{1,31}$/),
          url,
          description: z.string().min(1).max(2000),
          usage_hint: z.string().min(1).max(1000),
          should_escape: z.boolean(),
        }),
      )
      .max(50),
  }),
  oauth_config: z.strictObject({ scopes: z.strictObject({ bot: z.array(z.string()).max(255) }) }),
  settings: z.strictObject({
    event_subscriptions: z.strictObject({ request_url: url, bot_events: z.array(z.string()).max(100) }),
    interactivity: z.strictObject({ is_enabled: z.boolean(), request_url: url, message_menu_options_url: url }),
    org_deploy_enabled: z.boolean(),
    socket_mode_enabled: z.boolean(),
    token_rotation_enabled: z.literal(false),
  }),
})
