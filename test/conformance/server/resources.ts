/** Resources of each kind, and subscriptions to them. */
import type { McpServer } from '@modelcontextprotocol/server'
import { ResourceTemplate } from '@modelcontextprotocol/server'
import { PNG } from './samples.ts'

export function registerResources(server: McpServer): void {
  const fixed: readonly (readonly [string, string, { readonly text: string } | { readonly blob: string }])[] = [
    ['static-text', 'text/plain', { text: 'This is the content of the static text resource.' }],
    ['static-binary', 'image/png', { blob: PNG }],
    ['watched-resource', 'text/plain', { text: 'Watched resource content' }],
  ]
  for (const [name, mimeType, content] of fixed) {
    const uri = `test://${name}`
    server.registerResource(name, uri, { description: `The resource ${name}`, mimeType }, () => ({
      contents: [{ uri, mimeType, ...content }],
    }))
  }
  const mimeType = 'application/json'
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined })
  server.registerResource('template', template, { description: 'A resource for each id', mimeType }, (uri, { id }) => ({
    contents: [
      { uri: uri.href, mimeType, text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) },
    ],
  }))
  // Nothing here ever changes, so nothing has to be remembered.
  server.server.setRequestHandler('resources/subscribe', () => ({}))
  server.server.setRequestHandler('resources/unsubscribe', () => ({}))
}
