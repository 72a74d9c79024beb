/** The one call that is measured: a small tools/call of MCP 2026-07-28, and the answer that its server gives. */
export const TOOL = 'read_page'

const PROTOCOL_VERSION = '2026-07-28'

export const callBody = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: {
    name: TOOL,
    arguments: { path: '/handbook/on-call.md', lines: { from: 1, to: 40 } },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
      'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})

export const callHeaders: Readonly<Record<string, string>> = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': PROTOCOL_VERSION,
  'mcp-method': 'tools/call',
  'mcp-name': TOOL,
}

/** Stands at the answer's end: a load generator that finds it has read the whole answer. */
export const ANSWER_MARK = 'end of page'

/** About 1 KB of prose, which is what tools mostly answer; nothing in it is to be masked. */
export const answerText = `${'The person on call answers a page within ten minutes, and says so in the channel. '.repeat(12)}${ANSWER_MARK}`
