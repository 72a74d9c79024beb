/**
 * Reads a POST's body whole, within a limit. Our own reader, because the MCP route stands before any middleware: a
 * body parser there would parse what must first be judged as bytes, and unpack what must never be unpacked.
 */
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../../src/errors.ts'
import { AgentGone } from '../../src/gate/call.ts'

export function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) {
      reject(tooLarge(bytesMax))
      return
    }
    // Whoever left while the token was checked sends no further event.
    if (request.destroyed) {
      reject(new AgentGone('the agent left before its message had arrived'))
      return
    }
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > bytesMax) {
        request.pause()
        reject(tooLarge(bytesMax))
        return
      }
      chunks.push(chunk)
    })
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
    request.on('error', reject)
  })
}

/** Refuses what is not plain JSON: a coded body would have to be unpacked before anyone could judge it. */
export function checkMediaType(headers: IncomingMessage['headers']): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'Content-Encoding is not accepted: send the JSON body as it is.')
  }
  const type = headers['content-type']
  if (type === undefined || !/^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) {
    throw new GatewayError('unsupported_media_type', 'Content-Type must be application/json in UTF-8.')
  }
}

function tooLarge(bytesMax: number): GatewayError {
  return new GatewayError('body_too_large', `The body exceeds ${bytesMax} bytes.`)
}
