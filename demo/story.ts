/**
 * What the demo shows, in order, each step held to what it says. By hand and with --auto it is one story: only who clicks
 * differs, and --auto also tries what a person would not think of doing.
 */
import { existsSync, readFileSync } from 'node:fs'
import { spanInWords } from '../src/approval/in-words.ts'
import { timeOfDay } from '../src/cli/terminal.ts'
import type { Agent, ToolAnswer } from './agent.ts'
import { callWithoutToken, connectAgent, MCP_REVISION } from './agent.ts'
import { agentSignIn } from './agent-sign-in.ts'
import { ALICE, BOB, DEMO_CLIENT_ID, DEMO_SCOPES } from './cast.ts'
import type { ConsoleReviewer } from './console-reviewer.ts'
import { openConsole } from './console-reviewer.ts'
import { RULES } from './example-files.ts'
import type { EventOf } from './recorded.ts'
import { ofType, recordedEvents } from './recorded.ts'
import type { Setting } from './setting.ts'
import { DEADLINE_MS } from './setting.ts'
import type { Trace } from './trace.ts'
import { must, until } from './until.ts'

const REPORT = '# Report\n\nAll tests passed. Ship it on Monday.\n'
/** More than the deadline: the gateway ends the wait, not the client. */
const WAIT_MAX_MS = DEADLINE_MS + 60_000

export interface Telling {
  readonly trace: Trace
  readonly setting: Setting
  /** Everything that agents and people were answered, to be searched for secrets. */
  readonly answers: string[]
  /** The agents' tokens, for the same. */
  readonly tokens: string[]
}

/** The one risky call, from its hold to its end. */
export interface HeldCall {
  readonly answer: Promise<ToolAnswer>
  readonly requested: EventOf<'approval.requested'>
}

// ---- the agent

export async function meetTheAgent(telling: Telling): Promise<Agent> {
  const { trace, setting } = telling
  trace.heading('An agent, a client of the official MCP SDK')
  const issuer = await trace.step('Without a token it is refused, and told where to get one', async (step) => {
    const challenge = await callWithoutToken(setting.mcp)
    telling.answers.push(challenge.text)
    must(challenge.status === 401, `It should be answered 401, and it was answered ${challenge.status}.`)
    must(challenge.issuer === setting.issuer, 'The answer should lead to the issuer that the settings name.')
    step.detail(`401; its metadata names ${challenge.issuer}`)
    return challenge.issuer
  })
  const agent = await trace.step(`${ALICE.login} signs in there, and the agent connects`, (step) => {
    step.detail(`MCP ${MCP_REVISION}; the token is good for this endpoint alone:`)
    step.detail(setting.mcp)
    return signInAndConnect(telling, issuer, ALICE.login)
  })
  await trace.step('It sees the tools of the server', async (step) => {
    const tools = await agent.tools()
    must(tools.includes('write_file'), 'The server’s tools should be listed.')
    step.detail(`${tools.length}: ${tools.join(', ')}`)
  })
  return agent
}

async function signInAndConnect({ setting, tokens }: Telling, issuer: string, login: string): Promise<Agent> {
  const { mcp } = setting
  const token = await agentSignIn({ issuer, login, clientId: DEMO_CLIENT_ID, resource: mcp, scopes: DEMO_SCOPES })
  tokens.push(token)
  return connectAgent({ url: mcp, token, waitMaxMs: WAIT_MAX_MS })
}

// ---- what needs nobody

export async function readAndBeRefused({ trace, setting, answers }: Telling, agent: Agent): Promise<void> {
  const { planted, witness } = setting
  trace.heading('Calls that policy decides alone')
  await trace.step('It reads notes.md, and the secret in it comes masked', async (step) => {
    const answer = await agent.call('read_text_file', { path: planted.notes })
    answers.push(answer.json)
    must(!answer.isError, `The call should succeed: ${answer.text}`)
    must(answer.text.includes('[masked:github-token]'), 'The secret’s place should say that it was masked.')
    must(!answer.json.includes(planted.secret), 'The answer holds the secret.')
    step.quote(answer.text)
  })
  await trace.step('It may not read production.env, and is told why', async (step) => {
    const before = witness.heard.length
    const answer = await agent.call('read_text_file', { path: planted.environment })
    answers.push(answer.json)
    must(answer.isError && answer.text.includes(`"${RULES.secrets}"`), `The rule should deny it: ${answer.text}`)
    must(witness.heard.length === before, 'The server heard of the call.')
    step.quote(answer.text)
  })
}

// ---- the risky call

export function sendRiskyCall(telling: Telling, agent: Agent): Promise<HeldCall> {
  const { trace, setting, answers } = telling
  const { planted, witness, workspace } = setting
  trace.heading('A call that a person decides')
  return trace.step('It wants to write report.md: held, and nothing has happened yet', async (step) => {
    // In the directory of an earlier demo the recordings go on: what it asked for is not what this one asks for.
    const earlier = (await requestedIn(workspace.recordings)).length
    const answer = agent.call('write_file', { path: planted.report, content: REPORT })
    // Whoever waits for it hears of a failure; until then it must not end the process.
    answer.then(
      ({ json }) => answers.push(json),
      () => undefined,
    )
    const requested = await Promise.race([
      until('the call is held', async () =>
        (await requestedIn(workspace.recordings))
          .slice(earlier)
          .find(({ principal }) => principal.subject === ALICE.login),
      ),
      answer.then(({ text }): never => {
        throw new Error(`The call was not held: ${text}`)
      }),
    ])
    must(!existsSync(planted.report), 'report.md is there already.')
    must(witness.callsOf('write_file').length === 0, 'The server has heard of the call already.')
    step.detail(`rule ${requested.rule}; asked in ${requested.channels.join(' and ')}`)
    step.detail('no report.md in the directory, and the server has heard of no write_file')
    return { answer, requested }
  })
}

async function requestedIn(recordings: string): Promise<readonly EventOf<'approval.requested'>[]> {
  return ofType(await recordedEvents(recordings), 'approval.requested')
}

/** --auto: what a person at the console would do, by the same link, cookie and endpoints. */
export async function approveByItself(telling: Telling, held: HeldCall): Promise<ConsoleReviewer> {
  const { trace, setting, answers } = telling
  const id = held.requested.approval_id
  const reviewer = await trace.step(`${BOB.login} opens the console by its one-time link`, async (step) => {
    const opened = await openConsole(setting.consoleLink)
    const again = await openConsole(setting.consoleLink).then(
      () => true,
      () => false,
    )
    must(!again, 'The link worked twice.')
    const { text, json } = await opened.state()
    answers.push(text)
    const card = json.pending.find(({ approvalId }) => approvalId === id)
    must(card !== undefined, 'The card should be there.')
    const shown = card.arguments.find(({ name }) => name === 'content')?.value
    must(shown === REPORT, `The card should show what would be written, and shows ${JSON.stringify(shown)}.`)
    step.quote(card.headline)
    step.detail('the card shows all of what would be written; the link does not open a second time')
    return opened
  })
  await refuseOwner(telling, reviewer)
  await trace.step(`${BOB.login} approves`, async () => {
    must(!existsSync(setting.planted.report), 'report.md is there before the approval.')
    must(setting.witness.callsOf('write_file').length === 0, 'The server heard of the call before the approval.')
    const { status, body } = await reviewer.click(id, 'approve')
    must(status === 200 && body.ok === true, `The click was refused: ${body.message}`)
  })
  return reviewer
}

/** Bob decides what alice's agent may do; for an agent of his own he can't. */
function refuseOwner(telling: Telling, reviewer: ConsoleReviewer): Promise<void> {
  const { trace, setting } = telling
  return trace.step('For an agent of his own he can’t approve', async (step) => {
    const own = await signInAndConnect(telling, setting.issuer, BOB.login)
    const call = own.call('create_directory', { path: `${setting.workspace.files}/mine` })
    call.catch(() => undefined)
    const card = await until('his agent’s card is there', async () =>
      (await reviewer.state()).json.pending.find(({ tool }) => tool === 'create_directory'),
    )
    const { body } = await reviewer.click(card.approvalId, 'approve')
    await own.close()
    must(body.refusal === 'self_review', `His click should be refused: ${JSON.stringify(body)}`)
    must(setting.witness.callsOf('create_directory').length === 0, 'The server heard of the call.')
    step.quote(body.message ?? '')
  })
}

/** By hand: nothing happens until somebody clicks, or the time is up. */
export async function waitForPerson({ trace, setting }: Telling, held: HeldCall): Promise<void> {
  const { consoleLink, gateway, isInSlack } = setting
  trace.say('')
  trace.say(
    `You are ${BOB.login}. Open this page, once, to approve or deny it` +
      `${isInSlack ? ', or decide in Slack' : ''}. Ctrl-C ends the demo.`,
  )
  trace.link(consoleLink)
  trace.say('')
  await trace.step('Somebody decides', async (step) => {
    const show = () => {
      const left = spanInWords(held.requested.expires_at - Date.now())
      const where = gateway.output().includes('console link redeemed') ? 'the page is open' : 'the page is not open yet'
      step.progress(`waiting for a decision: ${left} left, ${where}`)
    }
    show()
    const timer = setInterval(show, 1_000)
    try {
      await held.answer
    } finally {
      clearInterval(timer)
    }
    const decision = await decisionOf(setting, held)
    must(
      decision !== null,
      `Nobody did in time, so the call was refused. The agent was told: ${(await held.answer).text}`,
    )
    step.detail(decision.text)
  })
}

export interface Reviewed {
  readonly isApproved: boolean
  readonly at: number
  readonly text: string
}

/** Null where nobody decided in time. The agent may have its answer a moment before the decision is on the disk. */
async function decisionOf({ workspace }: Setting, { requested }: HeldCall): Promise<Reviewed | null> {
  const isOfThis = ({ approval_id }: { readonly approval_id: string }) => approval_id === requested.approval_id
  const events = await until('the decision is recorded', async () => {
    const recorded = await recordedEvents(workspace.recordings)
    return ofType(recorded, 'approval.resolved').some(isOfThis) && recorded
  })
  const reviewed = ofType(events, 'approval.reviewed').findLast(isOfThis)
  if (reviewed === undefined) return null
  const { choice, reviewer, channel, reason, at } = reviewed.review
  const said = choice === 'approve' ? 'approved' : 'denied'
  const text = `${said} by ${reviewer.email ?? reviewer.name} in ${channel}, ${timeOfDay(at)} UTC`
  return { isApproved: choice === 'approve', at, text: reason === null ? text : `${text}: ${reason}` }
}

export async function seeWhatCameOfIt(telling: Telling, held: HeldCall): Promise<Reviewed> {
  const { setting } = telling
  const answer = await held.answer
  const decision = await decisionOf(setting, held)
  must(decision !== null, 'The decision should be recorded.')
  if (decision.isApproved) await seeItDone(telling, answer, decision)
  else await seeItRefused(telling, answer)
  return decision
}

function seeItDone({ trace, setting }: Telling, answer: ToolAnswer, decision: Reviewed): Promise<void> {
  const { planted, witness, apiKey } = setting
  return trace.step('Only now report.md is there, exactly as approved', async (step) => {
    must(!answer.isError, `The call should succeed: ${answer.text}`)
    must(existsSync(planted.report), 'report.md should be there.')
    must(readFileSync(planted.report, 'utf8') === REPORT, 'report.md should hold what was approved.')
    const [sent, ...more] = witness.callsOf('write_file')
    must(sent !== undefined && more.length === 0, 'The server should have heard of it exactly once.')
    must(sent.at >= decision.at, 'The server heard of it before the approval.')
    must(sent.headers['x-api-key'] === apiKey, 'The gateway should have added the server’s key.')
    must(sent.headers.authorization === undefined, 'The agent’s token reached the server.')
    step.quote(answer.text)
    step.detail(`${decision.text}; sent ${timeOfDay(sent.at)} UTC, once`)
    step.detail('with the server’s own key, which the agent never had, and without the agent’s token')
  })
}

function seeItRefused({ trace, setting }: Telling, answer: ToolAnswer): Promise<void> {
  return trace.step('The agent is told, and nothing was written', async (step) => {
    must(answer.isError, `The call should fail: ${answer.text}`)
    must(!existsSync(setting.planted.report), 'report.md is there although it was denied.')
    must(setting.witness.callsOf('write_file').length === 0, 'The server heard of the call although it was denied.')
    step.quote(answer.text)
  })
}

/** --auto: an approval is for one call, and decided once. */
export async function tryAgain(
  telling: Telling,
  agent: Agent,
  held: HeldCall,
  reviewer: ConsoleReviewer,
): Promise<void> {
  const { trace, setting, answers } = telling
  const id = held.requested.approval_id
  await trace.step('A second click changes nothing', async (step) => {
    const { status, body } = await reviewer.click(id, 'deny')
    answers.push(JSON.stringify(body))
    must(status === 409 && body.refusal === 'already_resolved', `It should be refused: ${JSON.stringify(body)}`)
    step.quote(body.message ?? '')
  })
  await trace.step('The same call once more needs an approval of its own; this one is denied', async (step) => {
    const again = agent.call('write_file', { path: setting.planted.report, content: REPORT })
    again.catch(() => undefined)
    const card = await until('a new card is there', async () =>
      (await reviewer.state()).json.pending.find(({ tool }) => tool === 'write_file'),
    )
    must(card.approvalId !== id, 'The used approval opened a second time.')
    await reviewer.click(card.approvalId, 'deny', 'One report is enough')
    const answer = await again
    answers.push(answer.json)
    must(answer.isError, `The call should fail: ${answer.text}`)
    must(setting.witness.callsOf('write_file').length === 1, 'The server heard of the call a second time.')
    step.quote(answer.text)
  })
}
