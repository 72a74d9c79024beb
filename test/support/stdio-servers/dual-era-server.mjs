/**
 * A real server of the official SDK v2 over stdio, for both eras, or with `reject` as the first argument for
 * MCP 2026-07-28 alone.
 */
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'

serveStdio(
  () => {
    const server = new McpServer({ name: 'dual', version: '1.0.0' })
    server.registerTool('get_pid', { description: 'Which process answers' }, () => ({
      content: [{ type: 'text', text: String(process.pid) }],
    }))
    server.registerTool(
      'get_steps',
      { description: 'Tells of its progress', inputSchema: z.object({ steps: z.number() }) },
      async ({ steps }, context) => {
        const progressToken = context.mcpReq._meta?.progressToken
        for (let progress = 1; progress <= steps; progress++) {
          if (progressToken === undefined) break
          await context.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress } })
        }
        return { content: [{ type: 'text', text: `${steps} steps` }] }
      },
    )
    return server
  },
  { legacy: process.argv[2] === 'reject' ? 'reject' : 'serve' },
)
