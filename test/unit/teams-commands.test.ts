/** What people type to the bot in Teams: what it does, what is answered, and who gets to read it. */
import { describe, expect, it } from 'vitest'
import { createCommands } from '../../bots/teams/commands.ts'
import type { Asked, Command, CommandWords } from '../../bots/teams/feature.ts'
import { teamsFreezeCommands } from '../../bots/teams/freeze-commands.ts'
import { adaptiveCard, inert } from '../../bots/teams/text.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Freeze, FreezeScope } from '../../src/freeze/freeze.ts'
import { scopeName } from '../../src/freeze/freeze.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Conversation, FreezeDesk } from '../../src/ports.ts'
import { anApproval } from '../support/examples.ts'
import { silentLog } from '../support/redis.ts'

const TENANT = '72f988bf-0000-4000-8000-2d7cd011db47'
const BOB_OID = '00000000-0000-4000-8000-00000000000b'
const ALICE_OID = '00000000-0000-4000-8000-00000000000a'
const BOB: Reviewer = { id: `teams:${TENANT}:${BOB_OID}`, email: 'bob@example.com', name: 'Bob' }
const ALICE = { mri: '29:alice', oid: ALICE_OID }

function inside(kind: Conversation['kind'], more: Partial<Asked> = {}): Asked {
  const id = { channel: '19:c@thread.tacv2', groupChat: '19:g@thread.v2', personal: 'a:bob' }[kind]
  return {
    user: { oid: BOB_OID, tenantId: TENANT, mri: '29:bob' },
    conversation: { id, kind, tenantId: TENANT, serviceUrl: 'https://smba.example', oid: null, teamGroupId: null },
    messageId: null,
    ...more,
  }
}
const PERSONAL = inside('personal')
const CHANNEL = inside('channel')

function aRig({ commands = [] as readonly Command[], stranger = '' } = {}) {
  const standing = new Map<string, Freeze>()
  const reasons: (string | null)[] = []
  const state: { fault: Error | null; wait: Promise<void> | null } = { fault: null, wait: null }
  const desk: FreezeDesk = {
    async freeze({ scope, by, reason, onStanding }) {
      if (state.fault !== null) throw state.fault
      const freeze: Freeze = { scope, by, at: epochMs(Date.UTC(2026, 0, 2, 3, 4)), reason }
      standing.set(scopeName(scope), freeze)
      reasons.push(reason)
      onStanding?.(freeze)
      await state.wait
      return { ok: true, freeze, ended: { approvals: 1, grants: 0 }, note: null }
    },
    async thaw({ scope }: { scope: FreezeScope }) {
      standing.delete(scopeName(scope))
      return { ok: true, freeze: null, ended: { approvals: 0, grants: 0 }, note: null }
    },
  }
  const run = createCommands({
    commands: [
      ...teamsFreezeCommands({
        desk,
        list: async () => [...standing.values()],
        listPending: async () => [anApproval({ tool: 'drop_table' }), anApproval({ tool: 'write_file' })],
        upstreams: ['files', 'mail'],
        addressOf: async (_conversation, { oid }) => (oid === ALICE_OID ? 'alice@example.com' : null),
      }),
      ...commands,
    ],
    whoActed: async () => (stranger === '' ? { ok: true, reviewer: BOB } : { ok: false, message: stranger }),
    log: silentLog,
  })
  const say = async (text: string, asked = PERSONAL, mentioned: CommandWords['mentioned'] = [ALICE]) =>
    (await run(asked, { text, mentioned })).message ?? ''
  return { run, say, state, reasons, standing, frozen: () => [...standing.keys()] }
}

describe('what people type', () => {
  it.each<[string, string, string]>([
    ['all', 'freeze all', 'all'],
    ['in capitals, on a phone', 'Freeze ALL', 'all'],
    ['with a blank that Teams puts after a name', 'freeze\u00a0files\u00a0now', 'upstream:files'],
    ['an upstream by its kind', 'freeze upstream files', 'upstream:files'],
    ['an address in other letters', 'freeze Alice@EXAMPLE.com', 'agent:alice@example.com'],
    ['a mention', 'freeze <at:0> Leaked', 'agent:alice@example.com'],
    ['a mention after its kind', 'freeze agent <at:0>', 'agent:alice@example.com'],
    ['a mention with a comma', 'freeze <at:0>, a leaked token', 'agent:alice@example.com'],
  ])('[REQ-COMMAND-1] %s', async (_sentence, text, name) => {
    const { say, frozen } = aRig()
    expect(await say(text)).toMatch(/^Frozen\. Bob \(bob@example\.com\) has stopped/)
    expect(frozen()).toEqual([name])
  })

  it.each<[string, string, RegExp]>([
    ['a mistyped upstream gets a suggestion', 'freeze fles', /no upstream “fles”\. Did you mean files\?/],
    ['nobody', 'freeze', /no upstream/],
    ['a name with an invisible character', 'freeze ali\u200bce@example.com', /⟨U\+200B⟩/],
    ['a mention that Teams did not resolve', 'freeze @alise', /Pick the person from the list/],
    ['a mention whose owner Teams does not say', 'freeze <at>alice@example.com</at>', /does not say whom/],
    ['a mention that is not there', 'freeze <at:7>', /no address of theirs/],
    ['somebody without an address here', 'freeze <at:1>', /no address of theirs/],
    ['an unknown word', 'freez all', /There is no “freez”\.\nfreeze @agent/],
    ['help', 'help', /^freeze @agent \| upstream \| all/],
    ['nothing', '', /^freeze @agent/],
  ])('%s freezes nothing, and is told', async (_sentence, text, told) => {
    const { say, frozen } = aRig()
    expect(await say(text, PERSONAL, [ALICE, { mri: '29:x', oid: null }])).toMatch(told)
    expect(frozen()).toEqual([])
  })

  it('reads a reason as it was typed, and shows what cannot be seen', async () => {
    const { say, reasons } = aRig()
    expect(await say('freeze files &lt;b&gt; &amp;amp; co \u202egone')).toContain('<b> &amp; co ⟨U+202E⟩gone')
    expect(reasons).toEqual(['<b> &amp; co \u202egone'])
  })

  it('thawing all asks once more, and shows what stands', async () => {
    const { say, frozen } = aRig()
    await say('freeze all Look at this')
    expect(await say('thaw all')).toMatch(/thaw all confirm\nFrozen now:\n• all: Bob .*Look at this/)
    expect(frozen()).toEqual(['all'])
    expect(await say('thaw all confirm')).toMatch(/^Thawed/)
    expect(frozen()).toEqual([])
  })

  it('[REQ-COMMAND-1] a failed write is told, and how to try again', async () => {
    const { say, state, frozen } = aRig()
    state.fault = new GatewayError('store_unavailable', 'away')
    expect(await say('freeze all')).toMatch(/That failed: Redis cannot be reached.*try again.*shell/s)
    expect(frozen()).toEqual([])
  })

  it('says at once that it stands where ending its holds takes longer, and then the rest', async () => {
    const { run, state } = aRig()
    let release = () => {}
    state.wait = new Promise((resolve) => {
      release = resolve
    })
    const answer = await run(PERSONAL, { text: 'freeze all', mentioned: [] })
    expect(answer.message).toMatch(/^Frozen: every call of every agent is stopped now/)
    release()
    expect(await answer.later).toMatch(/Ended: 1 waiting call/)
  })

  it('[REQ-COMMAND-1] a fault on the way ends as a sentence, not as a crash', async () => {
    const { run, state } = aRig()
    let fail = (_error: Error) => {}
    state.wait = new Promise((_, reject) => {
      fail = reject
    })
    const answer = await run(PERSONAL, { text: 'freeze all', mentioned: [] })
    fail(new Error('secret detail'))
    expect(await answer.later).toMatch(/^That failed: The gateway’s log has the details/)
  })

  it('of a command of another feature passes the card on', async () => {
    const card = adaptiveCard({ body: [], fallbackText: inert('x') })
    const home: Command = { name: 'home', usage: '', does: 'x', run: async () => ({ message: null, card }) }
    const { run } = aRig({ commands: [home] })
    expect(await run(PERSONAL, { text: 'home', mentioned: [] })).toEqual({ message: null, card })
  })
})

describe('who reads the answer', () => {
  it('[REQ-COMMAND-2] status in a channel tells what stands and how many wait, and nothing of anyone’s requests', async () => {
    const { say } = aRig()
    await say('freeze mail The key is in the wiki')
    for (const asked of [CHANNEL, inside('groupChat')]) {
      const told = await say('status', asked)
      expect(told).toMatch(/• upstream:mail: since 2026-01-02 03:04 UTC\n2 calls wait for people\. .*private talk/)
      expect(told).not.toMatch(/drop_table|wiki|Bob/)
    }
  })

  it.each<[string, Asked]>([
    ['in the personal talk', PERSONAL],
    ['by / in a channel, which nobody else sees', inside('channel', { isTargeted: true })],
  ])('[REQ-COMMAND-2] status %s tells it all', async (_sentence, asked) => {
    const { say } = aRig()
    await say('freeze mail The key is in the wiki', asked)
    const told = await say('status', asked)
    expect(told).toMatch(/• upstream:mail: Bob .*wiki/)
    expect(told).toMatch(/2 calls wait for people; 0 of them for you/)
  })

  it('[REQ-COMMAND-2] a thaw of all that is not confirmed keeps reasons out of a channel', async () => {
    const { say } = aRig()
    await say('freeze all The key is in the wiki')
    expect(await say('thaw all', CHANNEL)).toMatch(/@Countersign thaw all confirm\nFrozen now:\n• all: since/)
    expect(await say('thaw all', CHANNEL)).not.toContain('wiki')
  })

  it('help names commands as they are typed there', async () => {
    const { say } = aRig()
    expect(await say('help', CHANNEL)).toMatch(/^@Countersign freeze .*\n@Countersign thaw/)
  })

  it('[REQ-FREEZE-2] whoever does not count is told that, also for help and status, and nothing runs', async () => {
    const { say, frozen } = aRig({ stranger: 'Guests cannot review. Nothing was decided.' })
    for (const text of ['help', 'status', 'freeze all', 'thaw all confirm', 'x']) {
      expect(await say(text)).toBe('Guests cannot review. Nothing was decided.')
    }
    expect(frozen()).toEqual([])
  })
})
