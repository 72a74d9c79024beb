/** `/countersign` in Slack, over HTTP and Socket Mode: who may, what is answered, and what runs once. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ApprovalId } from '../../src/brands.ts'
import type { Ack } from '../support/fake-slack-client.ts'
import { ALICE, BOB, CAROL, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

let gateway: SlackGateway

const say = (text: string, userId = BOB.id, more: { isUnescaped?: boolean; teamId?: string } = {}) =>
  gateway.slack.command({ command: '/countersign', text, userId, ...more })
const textOf = ({ body }: Ack) => {
  const { response_type: type, blocks } = (body ?? {}) as {
    response_type?: string
    blocks?: { text: { text: string } }[]
  }
  expect(type, 'only this person sees it').toBe('ephemeral')
  return blocks?.map(({ text }) => text.text).join('\n') ?? ''
}
const frozen = () => [...gateway.frozen.keys()]

describe.each([
  ['over HTTP', false],
  ['in Socket Mode', true],
])('%s', (_way, socketMode) => {
  beforeAll(async () => {
    gateway = await startSlackGateway({ socketMode, operators: ['bob@example.com'] })
    if (socketMode) await gateway.slack.waitForConnections(1)
  })
  afterAll(() => gateway?.close())

  it('[REQ-COMMAND-1] freezes by mention, says so to this person alone, and thaws', async () => {
    gateway.approvals.open(pendingApproval({ id: `apr_${socketMode}` as ApprovalId }))
    const said = textOf(await say('freeze @alice A leaked token'))
    expect(said).toMatch(/^Frozen\. Bob \(bob@example\.com\) has stopped every call of alice@example\.com’s agents/)
    expect(said).toMatch(/Reason: A leaked token\.\nEnded: 1 waiting call and 0 grants/)
    expect(frozen()).toEqual(['agent:alice@example.com'])
    expect(gateway.frozen.get('agent:alice@example.com')?.by).toMatchObject({ id: 'slack:T0FAKE:U2' })
    expect((await gateway.approvals.get(`apr_${socketMode}` as ApprovalId))?.state).toBe('cancelled')
    expect(textOf(await say('thaw @alice'))).toMatch(
      /^Thawed: every call of alice@example\.com’s agents goes by policy/,
    )
    expect(frozen()).toEqual([])
  })

  it('[REQ-COMMAND-1] a delivery that comes again runs once, and undoes nothing', async () => {
    await say('freeze files')
    const thaw = gateway.slack.slashPayloadOf({ command: '/countersign', text: 'thaw files', userId: BOB.id })
    expect((await gateway.slack.sendSlash(thaw)).ok).toBe(true)
    await say('freeze files')
    expect((await gateway.slack.sendSlash(thaw)).ok).toBe(true)
    expect((await gateway.slack.sendSlash({ ...thaw, user_name: 'another body' })).ok).toBe(true)
    expect(frozen()).toEqual(['upstream:files'])
    await say('thaw files')
  })
})

describe('what people type', () => {
  beforeAll(async () => {
    gateway = await startSlackGateway({ operators: ['bob@example.com'] })
  })
  beforeEach(async () => {
    for (const name of frozen()) await say(`thaw ${name} confirm`)
    expect(frozen()).toEqual([])
  })
  afterAll(() => gateway?.close())

  it.each<[string, string, string]>([
    ['all', 'freeze all', 'all'],
    ['in capitals, on a phone', 'Freeze ALL', 'all'],
    ['an upstream', 'freeze upstream files', 'upstream:files'],
    ['an address in other letters', 'freeze Alice@EXAMPLE.com', 'agent:alice@example.com'],
    ['a mention after its kind', 'freeze agent @alice', 'agent:alice@example.com'],
  ])('%s', async (_sentence, text, name) => {
    await say(text)
    expect(frozen()).toEqual([name])
  })

  it.each<[string, string, RegExp]>([
    ['a mistyped upstream gets a suggestion', 'freeze fles', /no upstream “fles”\. Did you mean files\?/],
    ['nobody', 'freeze', /no upstream/],
    ['a name with an invisible character', 'freeze ali\u200bce@example.com', /⟨U\+200B⟩/],
    ['a mention that Slack did not resolve', 'freeze @alise', /Pick the person from the list/],
    ['an unknown subcommand', 'freez all', /There is no “freez”\.\n\/countersign freeze @agent/],
    ['help', 'help', /^\/countersign freeze @agent \| upstream \| all/],
  ])('%s freezes nothing, and is told', async (_sentence, text, told) => {
    expect(textOf(await say(text))).toMatch(told)
    expect(frozen()).toEqual([])
  })

  it('thawing all asks once more, and shows what stands', async () => {
    await say('freeze all Look at this')
    const said = textOf(await say('thaw all'))
    expect(said).toMatch(/thaw all confirm\nFrozen now:\n• all: Bob .*Look at this/)
    expect(frozen()).toEqual(['all'])
    expect(textOf(await say('thaw all confirm'))).toMatch(/^Thawed/)
    expect(frozen()).toEqual([])
  })

  it('status tells what stands, how many wait, and one’s own requests', async () => {
    gateway.approvals.open(pendingApproval({ id: 'apr_hers' as ApprovalId, tool: 'drop_table' }))
    await say('freeze mail')
    const said = textOf(await say('status', ALICE.id))
    expect(said).toMatch(/• upstream:mail: Bob/)
    expect(said).toMatch(/1 call waits for people; 1 of them for you\.\n• drop_table on files/)
    expect(textOf(await say('status', CAROL.id))).toMatch(/1 call waits for people; 0 of them for you\.$/)
  })

  it('what Slack escaped reads as it was written, and formats nothing', async () => {
    const said = textOf(await say('freeze files because of <script> & *co*'))
    expect(said).toContain('because of <script> & *co*')
    const shown = gateway.slack.ephemerals.at(-1)
    expect(JSON.stringify(shown?.blocks)).not.toContain('mrkdwn')
    expect(shown?.text).not.toMatch(/<|\*/)
  })

  it('[REQ-COMMAND-1] a failed write is told, and the person can try again', async () => {
    gateway.time.storeAway = true
    expect(textOf(await say('freeze all'))).toMatch(/That failed: Redis cannot be reached.*try again.*shell/s)
    expect(frozen()).toEqual([])
    gateway.time.storeAway = false
    await say('freeze all')
    expect(frozen()).toEqual(['all'])
  })

  it('says at once that it stands where ending its holds takes longer than Slack waits', async () => {
    const release = gateway.stallSweeps()
    const ack = await say('freeze all')
    expect(ack.ok).toBe(true)
    expect(textOf(ack)).toMatch(/^Frozen: every call of every agent is stopped now/)
    release()
    const later = await gateway.slack.waitForEphemeral(({ via }) => via === 'response_url')
    expect(later.text).toMatch(/Ended:/)
  })
})

describe('without people.operators', () => {
  beforeAll(async () => {
    gateway = await startSlackGateway()
  })
  afterAll(() => gateway?.close())

  it('[REQ-FREEZE-2] every full member may stop, and nobody may start again from here', async () => {
    await say('freeze all', CAROL.id)
    expect(frozen()).toEqual(['all'])
    expect(textOf(await say('thaw all confirm'))).toMatch(/Nothing was thawed.*no people\.operators.*countersign thaw/)
    expect(frozen()).toEqual(['all'])
  })
})
