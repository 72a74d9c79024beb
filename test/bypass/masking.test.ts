/**
 * Every way round masking that anyone found. Rows are never deleted: a way that is closed moves from `open` to
 * `closed`, and then stays there as a promise.
 */
import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../src/json/value.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { Secret } from '../../src/secret.ts'
import { AWS_ID, GITHUB, JWT, letters, PEM } from '../support/secret-samples.ts'

const masker = createMasker()
const LENT = 'fs-upstream-8f3a9c'
const lent = [new Secret(LENT)]
const base64 = (text: string) => Buffer.from(text).toString('base64')
const result = (value: JsonValue): JsonValue => ({ jsonrpc: '2.0', id: 1, result: value })
const content = (text: string) => result({ content: [{ type: 'text', text }] })
const half = GITHUB.length / 2

/** How it is hidden; the message; what must be gone from it. */
const closed: [string, JsonValue, string][] = [
  ['at the very start', content(`${GITHUB}.`), GITHUB],
  ['at the very end', content(`x${GITHUB}`), GITHUB],
  ['with a letter right before it', content(`abc${GITHUB}`), GITHUB],
  ['with letters right behind it', content(`${AWS_ID}zzz`), AWS_ID],
  ['twice in one text, end to end', content(GITHUB + GITHUB), GITHUB],
  ['after two thousand lookalikes', content(`${'ghp_x '.repeat(2_000)}${GITHUB}`), GITHUB],
  ['behind a megabyte of text', content('x '.repeat(1 << 19) + GITHUB), GITHUB],
  ['in capitals', content(GITHUB.toUpperCase()), GITHUB.toUpperCase()],
  ['as a key', result({ structuredContent: { [GITHUB]: true } }), GITHUB],
  ['as a key right under the result', result({ [GITHUB]: true }), GITHUB],
  ['as a key of the message', { jsonrpc: '2.0', id: 1, result: {}, [GITHUB]: 1 }, GITHUB],
  ['under a secret name right under the result', result({ password: 'hunter2' }), 'hunter2'],
  ['under a secret name beside the result', { jsonrpc: '2.0', id: 1, result: {}, password: 'hunter2' }, 'hunter2'],
  ['as a key in JSON in text', content(JSON.stringify({ [GITHUB]: 1 })), GITHUB],
  ['in a resource’s text', result({ contents: [{ uri: 'a:b', text: GITHUB }] }), GITHUB],
  ['in a resource’s address', result({ contents: [{ uri: `https://x/?k=${GITHUB}`, text: '' }] }), GITHUB],
  [
    'in base64 that says it is text',
    result({ contents: [{ uri: 'a:b', mimeType: 'application/json', blob: base64(GITHUB) }] }),
    base64(GITHUB),
  ],
  ['in an error’s message', { jsonrpc: '2.0', id: 1, error: { code: 1, message: GITHUB } }, GITHUB],
  ['in an error’s data', { jsonrpc: '2.0', id: 1, error: { code: 1, message: '', data: [GITHUB] } }, GITHUB],
  ['in a notification', { jsonrpc: '2.0', method: 'notifications/message', params: { data: { a: GITHUB } } }, GITHUB],
  ['in _meta', result({ _meta: { 'x.example/note': GITHUB } }), GITHUB],
  ['in a tool’s description', result({ tools: [{ name: 'a', description: GITHUB }] }), GITHUB],
  ['beside the result', { jsonrpc: '2.0', id: 1, result: {}, note: GITHUB }, GITHUB],
  ['in a list of messages', [content(GITHUB)], GITHUB],
  ['under 100 levels', result(Array.from({ length: 100 }).reduce<JsonValue>((inner) => [inner], GITHUB)), GITHUB],
  ['under 1,000 levels', result(Array.from({ length: 1_000 }).reduce<JsonValue>((inner) => [inner], GITHUB)), GITHUB],
  ['escaped in JSON in text', content(`{"a":"${GITHUB.replace('h', '\\u0068')}"}`), GITHUB.slice(4)],
  ['escaped in text that is no JSON', content(`a = "${GITHUB.replace('h', '\\u0068')}"`), GITHUB.slice(4)],
  ['escaped as in JavaScript', content(GITHUB.replace('h', '\\x68')), GITHUB.slice(4)],
  ['percent-encoded', content(GITHUB.replace('_', '%5F')), GITHUB.slice(4)],
  [
    'in JSON in JSON in text',
    content(JSON.stringify(JSON.stringify({ a: JSON.stringify({ password: 'hunter2' }) }))),
    'hunter2',
  ],
  [
    'in JSON in a field of structured content',
    result({ structuredContent: { body: '{"password":"hunter2"}' } }),
    'hunter2',
  ],
  ['in JSON with a key twice', content(`{"password":"hunter2!","password":""}`), 'hunter2!'],
  ['in JSON with a false __proto__', content('{"__proto__":{"password":"hunter2"}}'), 'hunter2'],
  [
    'with a zero-width space in the token',
    content(`${GITHUB.slice(0, half)}\u200b${GITHUB.slice(half)}`),
    GITHUB.slice(half),
  ],
  ['with a zero-width joiner in the prefix', content(`gh\u200dp_${GITHUB.slice(4)}`), GITHUB.slice(4)],
  ['with a soft hyphen', content(`${GITHUB.slice(0, half)}\u00ad${GITHUB.slice(half)}`), GITHUB.slice(half)],
  ['with a direction mark in a field’s name', content(`pass\u200eword=hunter2`), 'hunter2'],
  ['as a key wrapped shorter and indented', content(PEM.replace(/([A-Za-z0-9]{16})/g, '$1\n  ')), letters(16)],
  ['as a key in one line', content(PEM.replaceAll('\n', ' ')), PEM.slice(40, 80)],
  ['as a key cut off', content(PEM.slice(0, -50)), PEM.slice(40, 80)],
  ['as a key within JSON within text', content(JSON.stringify({ key: PEM })), PEM.slice(40, 80)],
  ['as a JWT right behind a letter', content(`x${JWT}`), JWT.slice(-40)],
  ['as a JWT in a cookie', content(`Set-Cookie: s=${JWT}; Path=/`), JWT.slice(-40)],
  ['as a JWT in a URL', content(`https://x/#id_token=${JWT}&s=1`), JWT.slice(-40)],
  ['as a JWT behind a false header', content(`eyJ${JWT}`), JWT.slice(-40)],
  ['as a card with two kinds of separators', content('4111 1111-1111 1111'), '1111-1111'],
  ['as a card behind a letter', content('card4111111111111111'), '4111111111111111'],
  ['as a card before more digits', content('4111 1111 1111 1111 999'), '1111 1111'],
  ['as name and value', result({ structuredContent: { env: [{ name: 'API_KEY', value: 'x1y2' }] } }), 'x1y2'],
  ['the lent credential in the middle of a word', content(`abc${LENT}def`), LENT],
  ['the lent credential in a header', content(`Authorization: Bearer ${LENT}`), LENT],
  [
    'the lent credential echoed by the upstream as Basic',
    content(`Basic ${base64(`bot:${LENT}`)}`),
    base64(`bot:${LENT}`).slice(6, 24),
  ],
  [
    'the lent credential in base64 of a request',
    content(base64(`{"headers":{"x":"${LENT}"}}`)),
    base64(`{"headers":{"x":"${LENT}"}}`).slice(24, 44),
  ],
  ['the lent credential in hexadecimal', content(Buffer.from(LENT).toString('hex')), Buffer.from(LENT).toString('hex')],
  [
    'the lent credential percent-encoded altogether',
    content([...LENT].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('')),
    '%75%70',
  ],
  [
    'the lent credential in an image',
    result({ content: [{ type: 'image', data: base64(`..${LENT}`), mimeType: 'image/png' }] }),
    base64(`..${LENT}`).slice(4, 20),
  ],
  ['the lent credential in a handle', result({ nextCursor: LENT }), LENT],
  [
    'the lent credential in a handle, encoded',
    result({ requestState: base64(`{"k":"${LENT}"}`) }),
    base64(`{"k":"${LENT}"}`).slice(8, 24),
  ],
  ['the lent credential as a key', result({ structuredContent: { [LENT]: 1 } }), LENT],
]

/** What still gets through, and why. Asserted as it is today, so that whoever closes one finds it here. */
const open: [string, JsonValue, string][] = [
  // A leaf is looked at alone; joining leaves would find secrets in every table.
  [
    'split across two leaves',
    result({
      content: [
        { type: 'text', text: GITHUB.slice(0, half) },
        { type: 'text', text: GITHUB.slice(half) },
      ],
    }),
    GITHUB.slice(half),
  ],
  [
    'a key as a list of its lines',
    result({ structuredContent: { pem: PEM.split('\n') } }),
    PEM.split('\n')[2] as string,
  ],
  // White space is what ends a token everywhere.
  ['a key whose first line is broken', content(PEM.replace('RSA ', 'RSA\n')), PEM.slice(40, 80)],
  ['a token broken by a space', content(`${GITHUB.slice(0, half)} ${GITHUB.slice(half)}`), GITHUB.slice(half)],
  [
    'base64 of the credential, wrapped',
    content(base64(`${LENT}${LENT}${LENT}`).replace(/(.{10})/g, '$1\n')),
    base64(LENT).slice(0, 10),
  ],
  // An upstream that works against us can always invent an encoding; masking is against accidents and careless tools.
  ['reversed', content([...GITHUB].reverse().join('')), [...GITHUB].reverse().join('')],
  ['the credential in base64 twice', content(base64(base64(LENT))), base64(base64(LENT))],
  ['the credential in other case', content(LENT.toUpperCase()), LENT.toUpperCase()],
  ['a token in base64 in text', content(base64(`x ${GITHUB} y`)), base64(`x ${GITHUB} y`)],
  ['a token in hexadecimal', content(Buffer.from(GITHUB).toString('hex')), Buffer.from(GITHUB).toString('hex')],
  ['escaped twice', content(`a = ${GITHUB.replace('h', '\\\\u0068')}`), GITHUB.slice(4)],
  ['as HTML entities', content(GITHUB.replace('h', '&#104;')), GITHUB.slice(4)],
  ['with a letter of another alphabet', content(GITHUB.replace('g', '\u0261')), GITHUB.slice(4)],
  ['with full-width letters', content(GITHUB.replace('ghp', '\uff47\uff48\uff50')), GITHUB.slice(4)],
  // Only the whole makes it one: the first half of a key was in another answer.
  ['the second half of a key', content(PEM.slice(100)), PEM.slice(100, 140)],
  // Types must not change: a number stays a number.
  ['a card as a number', result({ structuredContent: { card: 4111111111111111 } }), '4111111111111111'],
  ['a password as a number', result({ structuredContent: { password: 12345678 } }), '12345678'],
  // Guessing has to stop where prose begins.
  ['a password that is a word, in prose', content('the password is swordfish'), 'swordfish'],
  ['a password that is a word, behind a colon', content('password: swordfish'), 'swordfish'],
  [
    'a password under a name within a secret’s name',
    result({ structuredContent: { secret: { value: 'swordfish' } } }),
    'swordfish',
  ],
  ['a password in a language we do not read', result({ structuredContent: { passwort: 'swordfish' } }), 'swordfish'],
  ['a short value named token', result({ structuredContent: { token: 'abc123' } }), 'abc123'],
  // Without a vendor's prefix or a name beside it, a random text is a hash, an id or a secret alike.
  ['a random text', content(letters(40)), letters(40)],
  ['an AWS secret alone', content(`${letters(38)}/+`), letters(38)],
  // Handles must come back unchanged, or the agent cannot go on.
  ['another party’s token in a handle', result({ nextCursor: JWT }), JWT],
  ['the id and the method', { jsonrpc: '2.0', id: GITHUB, method: GITHUB }, GITHUB],
  [
    'a picture of a token',
    result({ content: [{ type: 'image', data: base64(GITHUB), mimeType: 'image/png' }] }),
    base64(GITHUB),
  ],
  ['base64 that does not say it is text', result({ contents: [{ uri: 'a:b', blob: base64(GITHUB) }] }), base64(GITHUB)],
]

describe('a secret cannot get by', () => {
  it.each(closed)('%s', (_, message, secret) => {
    expect(JSON.stringify(message)).toContain(JSON.stringify(secret).slice(1, -1).split('\\n')[0])
    const masked = masker.maskMessage(message, lent)
    expect(masked.changed).toBe(true)
    expect(masked.findings.length).toBeGreaterThan(0)
    expect(JSON.stringify(masked.value)).not.toContain(JSON.stringify(secret).slice(1, -1))
  })
})

describe('a secret still gets by', () => {
  it.each(open)('%s', (_, message, secret) => {
    expect(JSON.stringify(masker.maskMessage(message, lent).value)).toContain(secret)
  })
})
