/**
 * Private keys in PEM (RFC 7468), OpenSSH and PGP armour: the whole block, whatever stands in it, because a key is
 * still a key when it is wrapped, indented or escaped. A block that does not end is masked to the end of the text:
 * a cut-off key is most of a key.
 */
import type { Detector } from './detector.ts'

const BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/iy
const END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/gi

export const PRIVATE_KEY: Detector = {
  name: 'private-key-pem',
  keywords: ['-----begin '],
  verify(text, start) {
    BEGIN.lastIndex = start
    if (!BEGIN.test(text)) return null
    END.lastIndex = BEGIN.lastIndex
    return { start, end: END.test(text) ? END.lastIndex : text.length }
  },
}
