/** Tools that only answer: each kind of content, log messages, progress, an error, and schemas that must arrive whole. */
import { setTimeout as pause } from 'node:timers/promises'
import type { CallToolResult, JsonSchemaType, McpServer, ServerContext } from '@modelcontextprotocol/server'
import { fromJsonSchema } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { image, resource, text, WAV } from './samples.ts'

/** So that notifications can't arrive together with the answer by chance. */
const STEP_MS = 20
const NOTHING = z.object({})

export function registerTools(server: McpServer): void {
  registerContents(server)
  registerNotifying(server)
  registerSchemas(server)
  server.registerTool('test_error_handling', { description: 'Fails' }, () => {
    throw new Error('This tool intentionally returns an error for testing')
  })
}

function registerContents(server: McpServer): void {
  const contents: Readonly<Record<string, CallToolResult['content']>> = {
    test_simple_text: [text('This is a simple text response for testing.')],
    test_image_content: [image()],
    test_audio_content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }],
    test_embedded_resource: [
      resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
    ],
    test_multiple_content_types: [
      text('Several kinds at once:'),
      image(),
      resource('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 })),
    ],
    // The suite listens on this one's stream for requests that a server of 2026-07-28 must not send there.
    test_streaming_elicitation: [text('No request of the server went over this stream.')],
  }
  for (const [name, content] of Object.entries(contents)) {
    server.registerTool(name, { description: `Answers with ${content.map(({ type }) => type).join(', ')}` }, () => ({
      content,
    }))
  }
}

function registerNotifying(server: McpServer): void {
  const logging = { description: 'Logs three messages while it runs', inputSchema: NOTHING }
  server.registerTool('test_tool_with_logging', logging, async (_input, { mcpReq }) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } })
      await pause(STEP_MS)
    }
    return { content: [text('Logged three messages.')] }
  })
  const quiet = { description: 'Logs only where the request names a log level', inputSchema: NOTHING }
  server.registerTool('test_logging_tool', quiet, async (_input, { mcpReq }) => {
    await mcpReq.log('info', 'Heard only by those who asked for it.')
    return { content: [text('Logged, if that was asked for.')] }
  })
  const progress = { description: 'Tells its progress three times while it runs', inputSchema: NOTHING }
  server.registerTool('test_tool_with_progress', progress, async (_input, context) => {
    await tellProgress(context)
    return { content: [text('Done.')] }
  })
}

async function tellProgress({ mcpReq }: ServerContext): Promise<void> {
  const progressToken = mcpReq._meta?.progressToken
  if (progressToken === undefined) return
  for (const progress of [0, 50, 100]) {
    const params = { progressToken, progress, total: 100, message: `Step ${progress} of 100` }
    await mcpReq.notify({ method: 'notifications/progress', params })
    await pause(STEP_MS)
  }
}

function registerSchemas(server: McpServer): void {
  const mirrored = fromJsonSchema<{ region?: string; level?: number }>({
    type: 'object',
    properties: {
      region: { type: 'string', description: 'Mirrored into a header', 'x-mcp-header': 'Region' },
      level: { type: 'integer', description: 'Not mirrored' },
    },
  } as JsonSchemaType)
  const description = 'Has an argument that clients mirror into a header'
  server.registerTool('test_x_mcp_header', { description, inputSchema: mirrored }, ({ region }) => ({
    content: [text(`region=${region ?? 'none'}`)],
  }))
  const inputSchema = fromJsonSchema<Readonly<Record<string, unknown>>>(JSON_SCHEMA_2020_12)
  const wide = { description: 'Uses what JSON Schema 2020-12 brought', inputSchema }
  server.registerTool('json_schema_2020_12_tool', wide, (input) => ({ content: [text(JSON.stringify(input))] }))
}

/** The keywords that the suite looks for after a round trip: $defs, $anchor, composition, conditions. */
const JSON_SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object' as const,
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}
