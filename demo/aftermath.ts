/** What is left of the session: its summary, its recording as the commands show it, and no secret anywhere. */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { SessionId } from '../src/brands.ts'
import type { ConsoleReviewer } from './console-reviewer.ts'
import { countersign } from './gateway-process.ts'
import { ofType, recordedEvents } from './recorded.ts'
import type { HeldCall, Telling } from './story.ts'
import { must, until } from './until.ts'

export async function seeWhatIsLeft(telling: Telling, held: HeldCall, reviewer: ConsoleReviewer | null): Promise<void> {
  const { trace, setting } = telling
  const { recordings } = setting.workspace
  const session = held.requested.session_id
  must(session !== null, 'The held call should belong to a session.')
  trace.heading('What is left')
  await waitForSummary(telling, session, reviewer)
  await trace.step('Recorded are the approval, then the intent, then the outcome', () => checkOrder(recordings))
  for (const args of [
    ['audit', 'list'],
    ['audit', 'show', session],
  ]) {
    await trace.step(`countersign ${args.join(' ')} --dir …/recordings`, async (step) => {
      const { code, output } = await countersign([...args, '--dir', recordings])
      step.quote(output)
      must(code === 0, `It should exit with 0, and did with ${code}.`)
      must(output.includes(session) && output.includes('chain whole'), 'The session should be there, its chain whole.')
    })
  }
  await trace.step('No secret is in any of it', async (step) => {
    step.detail(await findNoSecret(telling))
  })
}

function waitForSummary(
  { trace, setting, answers }: Telling,
  session: SessionId,
  reviewer: ConsoleReviewer | null,
): Promise<void> {
  return trace.step('After 3 s without calls the session ends, and people get its summary', async (step) => {
    await until('the session has ended', async () =>
      ofType(await recordedEvents(setting.workspace.recordings), 'session.ended').find(
        ({ session_id }) => session_id === session,
      ),
    )
    if (reviewer === null) return step.detail('it is on the page now, under the decided cards')
    const recording = session.replace(/^ses_/, 'rec_')
    const shown = await until('the console shows the summary', async () => {
      const { text, json } = await reviewer.state()
      answers.push(text)
      return json.sessions.find(({ recordingId }) => recordingId === recording)
    })
    step.detail(`in the console: ${shown.recordingId}, hash ${shown.recordingHash.slice(0, 16)}…`)
  })
}

async function checkOrder(recordings: string): Promise<void> {
  const events = await recordedEvents(recordings)
  const outcomes = ofType(events, 'call.outcome').filter(({ outcome }) => outcome === 'succeeded')
  must(outcomes.length > 0, 'Calls that succeeded should be recorded.')
  for (const outcome of outcomes) {
    const { call_id, approval_id } = outcome
    const intent = events.findIndex((event) => event.type === 'call.intent' && event.call_id === call_id)
    must(intent >= 0 && intent < events.indexOf(outcome), `The call ${call_id} has no intent before its outcome.`)
    if (approval_id === null) continue
    // By its own instant: its event is written while the call that it let go is already on its way.
    const reviewed = ofType(events, 'approval.reviewed').find((event) => event.approval_id === approval_id)
    must(reviewed?.review.choice === 'approve', `The call ${call_id} has no approval.`)
    must(reviewed.review.at <= (events[intent]?.at ?? 0), `The call ${call_id} was sent before its approval.`)
  }
}

/** Answers with where it looked. */
async function findNoSecret({ setting, answers, tokens }: Telling): Promise<string> {
  const { workspace, planted, apiKey, gateway } = setting
  const segments = (await readdir(workspace.recordings)).filter((name) => name.endsWith('.ndjson'))
  const texts = await Promise.all(segments.map((name) => readFile(path.join(workspace.recordings, name), 'utf8')))
  const places = {
    'the recordings': texts.join('\n'),
    'the answers': answers.join('\n'),
    'the gateway’s log': gateway.output(),
  }
  const secrets = { 'planted secret': [planted.secret], 'server’s key': [apiKey], 'agent’s token': tokens }
  for (const [place, text] of Object.entries(places)) {
    for (const [name, values] of Object.entries(secrets)) {
      must(values.length > 0 && text !== '', `There is nothing to look for, or nothing in ${place}.`)
      must(!values.some((value) => text.includes(value)), `The ${name} is in ${place}.`)
    }
  }
  return `looked for the ${Object.keys(secrets).join(', the ')} in ${Object.keys(places).join(', ')}`
}
