/**
 * Tools and a prompt of 2026-07-28 that need answers first (MCP 2026-07-28 basic/patterns/mrtr): the result is
 * `input_required`, and the client calls again with the answers and the state that it was given.
 */
import { randomBytes } from 'node:crypto'
import type {
  CallToolResult,
  ClientCapabilities,
  InputRequests,
  InputRequiredResult,
  McpServer,
  ServerContext,
} from '@modelcontextprotocol/server'
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import { text } from './samples.ts'

export interface State {
  readonly round: number
  readonly name?: string
}

/** Signs the state that clients carry around, so that one that was changed is refused before the tool sees it. */
export const stateCodec = createRequestStateCodec<State>({ key: randomBytes(32) })

type Answer = CallToolResult | InputRequiredResult
type Asking = (context: ServerContext) => Answer | Promise<Answer>

export function registerInputRequired(server: McpServer): void {
  const tools: Readonly<Record<string, Asking>> = {
    test_input_required_result_elicitation: askName,
    test_input_required_result_sampling: (context) => askSampling(context, 'capital_question'),
    test_missing_capability: (context) => askSampling(context, 'completion'),
    test_input_required_result_list_roots: askRoots,
    test_input_required_result_request_state: confirmWithState,
    test_input_required_result_tampered_state: confirmWithState,
    test_input_required_result_multiple_inputs: askAll,
    test_input_required_result_multi_round: askTwice,
    test_input_required_result_capabilities: askWhatIsDeclared,
  }
  for (const [name, ask] of Object.entries(tools)) {
    const tool = { description: 'Asks for input before it answers', inputSchema: z.object({}) }
    server.registerTool(name, tool, (_input, context) => ask(context))
  }
  registerPrompt(server)
}

function registerPrompt(server: McpServer): void {
  const prompt = { description: 'Asks for input before it is filled in', argsSchema: z.object({}) }
  server.registerPrompt('test_input_required_result_prompt', prompt, (_input, { mcpReq }) => {
    const context = acceptedContent<{ context: string }>(mcpReq.inputResponses, 'user_context')?.context
    if (context === undefined) return inputRequired({ inputRequests: { user_context: form('context', 'string') } })
    return { messages: [{ role: 'user', content: text(`Use this context: ${context}`) }] }
  })
}

// ---- what is asked

export function form(field: string, type: 'string' | 'boolean') {
  const property = type === 'string' ? { type: 'string' as const } : { type: 'boolean' as const }
  const requestedSchema = { type: 'object' as const, properties: { [field]: property }, required: [field] }
  return inputRequired.elicit({ message: `Please give ${field}.`, requestedSchema })
}

function completion() {
  const messages = [{ role: 'user' as const, content: text('What is the capital of France?') }]
  return inputRequired.createMessage({ messages, maxTokens: 100 })
}

function done(value: string): CallToolResult {
  return { content: [text(value)] }
}

// ---- the tools

function askName({ mcpReq }: ServerContext): Answer {
  const name = acceptedContent<{ name: string }>(mcpReq.inputResponses, 'user_name')?.name
  if (typeof name !== 'string') return inputRequired({ inputRequests: { user_name: form('name', 'string') } })
  return done(`Hello, ${name}!`)
}

function askSampling({ mcpReq }: ServerContext, key: string): Answer {
  const answer = mcpReq.inputResponses?.[key]
  if (answer === undefined) return inputRequired({ inputRequests: { [key]: completion() } })
  return done(`Sampling response: ${JSON.stringify(answer)}`)
}

function askRoots({ mcpReq }: ServerContext): Answer {
  const answer = mcpReq.inputResponses?.client_roots
  if (answer === undefined) return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } })
  return done(`Client roots: ${JSON.stringify(answer)}`)
}

async function confirmWithState({ mcpReq }: ServerContext): Promise<Answer> {
  const confirmed = acceptedContent<{ ok: boolean }>(mcpReq.inputResponses, 'confirm')
  if (confirmed !== undefined && mcpReq.requestState<State>() !== undefined) {
    return done('state-ok: the state came back unchanged')
  }
  const requestState = await stateCodec.mint({ round: 1 })
  return inputRequired({ inputRequests: { confirm: form('ok', 'boolean') }, requestState })
}

async function askAll({ mcpReq }: ServerContext): Promise<Answer> {
  const { user_name, greeting, client_roots } = mcpReq.inputResponses ?? {}
  if (user_name !== undefined && greeting !== undefined && client_roots !== undefined) {
    return done(JSON.stringify({ user_name, greeting, client_roots }))
  }
  const inputRequests = {
    user_name: form('name', 'string'),
    greeting: completion(),
    client_roots: inputRequired.listRoots(),
  }
  return inputRequired({ inputRequests, requestState: await stateCodec.mint({ round: 1 }) })
}

/** The round is in the state: this revision has no session that could remember it. */
async function askTwice({ mcpReq }: ServerContext): Promise<Answer> {
  const state = mcpReq.requestState<State>() ?? { round: 0 }
  if (state.round === 0) {
    const requestState = await stateCodec.mint({ round: 1 })
    return inputRequired({ inputRequests: { step1: form('name', 'string') }, requestState })
  }
  if (state.round === 1) {
    const name = acceptedContent<{ name: string }>(mcpReq.inputResponses, 'step1')?.name ?? 'nobody'
    const requestState = await stateCodec.mint({ round: 2, name })
    return inputRequired({ inputRequests: { step2: form('color', 'string') }, requestState })
  }
  const color = acceptedContent<{ color: string }>(mcpReq.inputResponses, 'step2')?.color ?? 'nothing'
  return done(`${state.name} likes ${color}.`)
}

/** A server must not ask for what the client did not declare. */
function askWhatIsDeclared({ mcpReq }: ServerContext): Answer {
  if (mcpReq.inputResponses !== undefined) return done('Thank you.')
  const envelope = mcpReq.envelope as Readonly<Record<string, ClientCapabilities | undefined>> | undefined
  const declared = envelope?.[CLIENT_CAPABILITIES_META_KEY]
  const inputRequests: InputRequests = {
    ...(declared?.elicitation === undefined ? {} : { user_name: form('name', 'string') }),
    ...(declared?.sampling === undefined ? {} : { greeting: completion() }),
    ...(declared?.roots === undefined ? {} : { client_roots: inputRequired.listRoots() }),
  }
  return Object.keys(inputRequests).length === 0 ? done('Nothing can be asked.') : inputRequired({ inputRequests })
}
