/**
 * Tools of the 2025 revisions that ask their client back: the server sends a request over the call's stream, and the
 * client posts the answer. And one that closes its stream in the middle, for the client to come back to.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { CallToolResult, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { text } from './samples.ts'

/** Long enough for the client to see the stream end before the answer is there. */
const AWAY_MS = 100

export function registerAskingTools(server: McpServer): void {
  registerSampling(server)
  registerElicitation(server)
  const description = 'Ends its stream before it answers'
  server.registerTool('test_reconnection', { description, inputSchema: z.object({}) }, async (_input, { http }) => {
    http?.closeSSE?.()
    await pause(AWAY_MS)
    return { content: [text('The answer, after the stream had ended.')] }
  })
}

function registerSampling(server: McpServer): void {
  const inputSchema = z.object({ prompt: z.string() })
  const description = 'Asks the client for a completion'
  server.registerTool('test_sampling', { description, inputSchema }, async ({ prompt }, { mcpReq }) => {
    const messages = [{ role: 'user' as const, content: text(prompt) }]
    const { content } = await mcpReq.requestSampling({ messages, maxTokens: 100 })
    return { content: [text(`LLM response: ${JSON.stringify(content)}`)] }
  })
}

type Schema = Record<string, Record<string, unknown>>

function registerElicitation(server: McpServer): void {
  const inputSchema = z.object({ message: z.string() })
  const description = 'Asks the client’s user for a text'
  server.registerTool('test_elicitation', { description, inputSchema }, ({ message }, { mcpReq }) =>
    elicit(mcpReq, message, { response: { type: 'string', description: 'The answer' } }, ['response']),
  )
  const forms: Readonly<Record<string, Schema>> = {
    test_elicitation_sep1034_defaults: DEFAULTS,
    test_elicitation_sep1330_enums: ENUMS,
  }
  for (const [name, properties] of Object.entries(forms)) {
    const form = { description: 'Asks the client’s user to fill a form in', inputSchema: z.object({}) }
    server.registerTool(name, form, (_input, { mcpReq }) => elicit(mcpReq, 'Please fill this in.', properties, []))
  }
}

type Request = Parameters<Parameters<McpServer['server']['fallbackRequestHandler'] & object>[1]['mcpReq']['send']>[0]

async function elicit(
  mcpReq: { send(request: Request): Promise<unknown> },
  message: string,
  properties: Schema,
  required: readonly string[],
): Promise<CallToolResult> {
  const requestedSchema = { type: 'object', properties, required: [...required] }
  const answer = await mcpReq.send({ method: 'elicitation/create', params: { message, requestedSchema } } as Request)
  const { action, content } = answer as { action: string; content?: unknown }
  return { content: [text(`action=${action}, content=${JSON.stringify(content ?? {})}`)] }
}

/** A default of each type that a form may have (SEP-1034). */
const DEFAULTS: Schema = {
  name: { type: 'string', description: 'Name', default: 'John Doe' },
  age: { type: 'integer', description: 'Age', default: 30 },
  score: { type: 'number', description: 'Score', default: 95.5 },
  status: { type: 'string', description: 'Status', enum: ['active', 'inactive', 'pending'], default: 'active' },
  verified: { type: 'boolean', description: 'Verified', default: true },
}

const OPTIONS = ['option1', 'option2', 'option3']
const TITLED = [
  { const: 'value1', title: 'First' },
  { const: 'value2', title: 'Second' },
  { const: 'value3', title: 'Third' },
]

/** Each way to spell a choice (SEP-1330). */
const ENUMS: Schema = {
  untitledSingle: { type: 'string', enum: OPTIONS },
  titledSingle: { type: 'string', oneOf: TITLED },
  legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
  untitledMulti: { type: 'array', minItems: 1, maxItems: 3, items: { type: 'string', enum: OPTIONS } },
  titledMulti: { type: 'array', minItems: 1, maxItems: 3, items: { anyOf: TITLED } },
}
