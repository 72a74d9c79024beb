/** Prompts of each kind, and completion of their arguments. */
import type { GetPromptResult, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { image, resource, text } from './samples.ts'

type Content = GetPromptResult['messages'][number]['content']

export function registerPrompts(server: McpServer): void {
  server.registerPrompt('test_simple_prompt', { description: 'Without arguments' }, () =>
    fromUser(text('This is a simple prompt for testing.')),
  )
  const argsSchema = z.object({ arg1: z.string(), arg2: z.string() })
  server.registerPrompt('test_prompt_with_arguments', { description: 'With arguments', argsSchema }, (given) =>
    fromUser(text(`Prompt with arguments: arg1='${given.arg1}', arg2='${given.arg2}'`)),
  )
  const uriSchema = z.object({ resourceUri: z.string() })
  const embedding = { description: 'With a resource in it', argsSchema: uriSchema }
  server.registerPrompt('test_prompt_with_embedded_resource', embedding, ({ resourceUri }) =>
    fromUser(resource(resourceUri, 'text/plain', 'Embedded resource content for testing.'), text('Please read it.')),
  )
  server.registerPrompt('test_prompt_with_image', { description: 'With an image' }, () =>
    fromUser(image(), text('Please look at the image.')),
  )
  server.server.setRequestHandler('completion/complete', () => ({
    completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false },
  }))
}

function fromUser(...contents: readonly Content[]): GetPromptResult {
  return { messages: contents.map((content) => ({ role: 'user' as const, content })) }
}
