/** One MCP server with every feature that the conformance suite looks for: one a session, or one a request. */
import type { ServerNotifier } from '@modelcontextprotocol/server'
import { McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { registerAskingTools } from './asking-tools.ts'
import { registerInputRequired, stateCodec } from './input-required.ts'
import { registerPrompts } from './prompts.ts'
import { registerResources } from './resources.ts'
import { text } from './samples.ts'
import { registerTasks, TASKS_EXTENSION } from './tasks.ts'
import { registerTools } from './tools.ts'

/** Tells those who listen by `subscriptions/listen`; asked for late, because it comes with what serves this server. */
export type Notifier = () => Pick<ServerNotifier, 'toolsChanged' | 'promptsChanged'>

export function createFeatures(notifier: Notifier): McpServer {
  const server = new McpServer(
    { name: 'conformance-everything', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        completions: {},
        logging: {},
        extensions: { [TASKS_EXTENSION]: {} },
      },
      requestState: { verify: stateCodec.verify },
    },
  )
  registerTools(server)
  registerTasks(server)
  registerAskingTools(server)
  registerInputRequired(server)
  registerResources(server)
  registerPrompts(server)
  registerChanges(server, notifier)
  return server
}

/** Nothing really changes, since each request meets a server of its own: the suite looks for the notification. */
function registerChanges(server: McpServer, notifier: Notifier): void {
  const changes = {
    test_trigger_tool_change: () => notifier().toolsChanged(),
    test_trigger_prompt_change: () => notifier().promptsChanged(),
  }
  for (const [name, change] of Object.entries(changes)) {
    const tool = { description: 'Tells listeners of a change', inputSchema: z.object({}) }
    server.registerTool(name, tool, () => {
      change()
      return { content: [text('Told.')] }
    })
  }
}
