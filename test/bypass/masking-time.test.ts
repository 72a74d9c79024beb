/**
 * No text makes masking slow: whatever keyword an attacker repeats and whatever stands behind it, the time
 * grows with the length and not with its square. Sizes are chosen so that a proof which reads on without consuming
 * would exceed the limit many times over, and all rows together still take seconds.
 */
import { describe, expect, it } from 'vitest'
import { DETECTORS } from '../../src/masking/detectors.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { Secret } from '../../src/secret.ts'
import { letters } from '../support/secret-samples.ts'

const SIZE = 1 << 18
/** Generous: the slowest row takes a tenth of it on two busy cores. */
const LIMIT_MS = 4_000
const masker = createMasker()
const lent = [new Secret('aaaaaaaaaaaa'), new Secret('ab')]
const fill = (piece: string, size = SIZE) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size)
const keywords = [...new Set(DETECTORS.flatMap((detector) => detector.keywords))]

let keyNumber = 0
const rows: [string, string][] = [
  ['a letter', fill('a')],
  ['a digit', fill('4')],
  ['digits in groups', fill('4111 1111 ')],
  ['digits one by one', fill('4-')],
  ['cards with a wrong check digit', fill('4111111111111112 ')],
  ['starts of a token', fill('eyJ')],
  ['starts of claims', fill('.eyJ')],
  ['headers without an algorithm', fill('eyJhIjoxfQ.eyJhIjoxfQ.')],
  ['one header of a megabyte', `eyJ${fill('A')}.eyJ.x`],
  ['headers with an algorithm', fill('eyJhbGciOiJub25lIn0.')],
  ['starts of a key', fill('-----BEGIN PRIVATE KEY-----')],
  ['half starts of a key', fill('-----BEGIN AAAA AAAA ')],
  ['one key and half ends', `-----BEGIN PRIVATE KEY-----${fill('-----END A PRIVATE KE')}`],
  ['user infos', fill('://a:')],
  ['user infos with many colons', `://${fill(':')}`],
  ['at signs', `://a:${fill('@')}`],
  ['quotes that do not close', fill('password="\\"')],
  ['quotes of three kinds', fill('password="password=\'password=`')],
  ['spaces behind a name', fill('password    ')],
  ['headers', fill('authorization: bearer ')],
  ['an English word', fill('bearer ')],
  ['backslashes', fill('\\')],
  ['escapes', fill('\\u0061')],
  ['percent signs', fill('%')],
  ['percent escapes', fill('%61%c3%a9')],
  ['invisible characters', fill('\u200b')],
  ['invisible characters in names', fill('pass\u200bword=')],
  ['brackets', fill('[')],
  ['objects in a secret’s name', fill('{"password":')],
  ['JSON in JSON', JSON.stringify(JSON.stringify(JSON.stringify({ password: fill('\n\\', SIZE / 16) })))],
  [
    'a wide object with secrets as keys',
    `{"secret":"x",${fill(`"ghp_${letters(36)}N":1,`).replace(/N/g, () => `${keyNumber++}`)}"z":1}`,
  ],
  [
    'deep JSON with a secret at the bottom',
    `${'{"a":'.repeat(120)}{"password":"${fill('x', SIZE / 2)}"}${'}'.repeat(120)}`,
  ],
]

describe('a quarter of a megabyte', () => {
  it.each(rows)('of %s is masked in time', (_, text) => {
    expect(elapsedMs(text)).toBeLessThan(LIMIT_MS)
  })

  it.each(keywords)('of the keyword %s, before everything that may stand behind it, is masked in time', (keyword) => {
    for (const behind of ['', 'A', 'a1', ': ', '="', '.']) {
      expect(elapsedMs(fill(keyword + behind, SIZE / 2)), JSON.stringify(behind)).toBeLessThan(LIMIT_MS / 2)
    }
  })
})

function elapsedMs(text: string): number {
  const start = performance.now()
  masker.maskText(text, lent)
  return performance.now() - start
}
