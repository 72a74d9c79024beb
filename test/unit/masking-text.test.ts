import { describe, expect, it } from 'vitest'
import { createMasker } from '../../src/masking/masker.ts'
import { Secret } from '../../src/secret.ts'
import { AWS_ID, AWS_SECRET, GITHUB, JWT, letters, PEM, SAMPLES } from '../support/secret-samples.ts'

const masker = createMasker()
const mask = (text: string, ...extra: string[]) =>
  masker.maskText(
    text,
    extra.map((value) => new Secret(value)),
  )

describe('masking text', () => {
  describe.each(SAMPLES)('%s', (detector, secret) => {
    const masked = `[masked:${detector}]`
    it.each<[string, string, string]>([
      ['alone', secret, masked],
      ['at the start', `${secret} is it`, `${masked} is it`],
      ['at the end', `it is ${secret}`, `it is ${masked}`],
      ['in quotes', `"${secret}"`, `"${masked}"`],
      ['in brackets', `(${secret})`, `(${masked})`],
      ['on a line of its own', `one\n${secret}\ntwo`, `one\n${masked}\ntwo`],
      ['among other letters', `é漢😀 ${secret} é`, `é漢😀 ${masked} é`],
      ['twice', `${secret} and ${secret}`, `${masked} and ${masked}`],
    ])('is masked %s', (_, text, expected) => {
      const result = mask(text)
      expect(result.value).toBe(expected)
      expect(result.changed).toBe(true)
      expect(result.findings).toEqual([{ detector, count: expected.split(masked).length - 1 }])
    })

    it('is masked once: masking again changes nothing', () => {
      expect(mask(mask(`a ${secret} b`).value)).toMatchObject({ changed: false, findings: [] })
    })
  })

  it.each<[string, string, string]>([
    [
      'a header with a bearer token',
      'Authorization: Bearer abc.def-123',
      'Authorization: Bearer [masked:bearer-header]',
    ],
    ['a header with Basic', 'authorization: Basic dXNlcjpwYXNz', 'authorization: Basic [masked:bearer-header]'],
    ['a header as JSON', '{"Authorization":"Token abcd1234"}x', '{"Authorization":"Token [masked:bearer-header]"}x'],
    ['a header without scheme', 'Authorization: 12345678abc', 'Authorization: [masked:bearer-header]'],
    ['a bearer token in prose', 'send bearer a1b2c3d4e5 along', 'send bearer [masked:bearer-header] along'],
    [
      'a curl command',
      `curl -H 'Authorization: Bearer x1y2' -d a`,
      `curl -H 'Authorization: Bearer [masked:bearer-header]' -d a`,
    ],
    ['a password in a URL', 'postgres://app:s3cr3t!@db:5432/x', 'postgres://app:[masked:url-password]@db:5432/x'],
    ['a password in a URL without user', 'redis://:hunter2@cache', 'redis://:[masked:url-password]@cache'],
    ['a password with an @ in a URL', 'https://u:p@ss@host/', 'https://u:[masked:url-password]@host/'],
    ['an environment line', 'DB_PASSWORD=swordfish\nX=1', 'DB_PASSWORD=[masked:assigned-secret]\nX=1'],
    ['an export', 'export API_KEY="correct horse"', 'export API_KEY="[masked:assigned-secret]"'],
    ['a YAML line', 'password: hunter2', 'password: [masked:assigned-secret]'],
    ['a query string', '/cb?access_token=abcdef&x=1', '/cb?access_token=[masked:assigned-secret]&x=1'],
    ['an option', '--client-secret=abcdef -v', '--client-secret=[masked:assigned-secret] -v'],
    ['a PHP array', "'passwd' => 'abcdef'", "'passwd' => '[masked:assigned-secret]'"],
    ['an escaped quote within', String.raw`secret="ab\"cdef" x`, 'secret="[masked:assigned-secret]" x'],
    ['a long value', `token=${letters(600)} x`, 'token=[masked:assigned-secret] x'],
    [
      'the AWS secret by its name',
      `aws_secret_access_key = ${AWS_SECRET}`,
      'aws_secret_access_key = [masked:aws-secret-access-key]',
    ],
    ['the AWS pair', `${AWS_ID},${AWS_SECRET}\n`, '[masked:aws-access-key-id],[masked:aws-secret-access-key]\n'],
    ['a key without end', PEM.slice(0, 120), '[masked:private-key-pem]'],
    ['an OpenSSH key', PEM.replaceAll('RSA', 'OPENSSH'), '[masked:private-key-pem]'],
    [
      'a PGP key',
      `x ${PEM.replaceAll('RSA', 'PGP').replaceAll('KEY-', 'KEY BLOCK-')} y`,
      'x [masked:private-key-pem] y',
    ],
    ['a key with escaped line ends', PEM.replaceAll('\n', '\\n'), '[masked:private-key-pem]'],
    ['two keys', `${PEM}\n--\n${PEM}`, '[masked:private-key-pem]\n--\n[masked:private-key-pem]'],
    ['a card in one piece', 'card 5555555555554444.', 'card [masked:payment-card].'],
    ['a card with hyphens', '4012-8888-8888-1881', '[masked:payment-card]'],
    ['an American Express card', '3782 822463 10005', '[masked:payment-card]'],
    ['a card before its date', '4111 1111 1111 1111 12/27', '[masked:payment-card] 12/27'],
  ])('masks %s', (_, text, expected) => {
    expect(mask(text).value).toBe(expected)
  })

  it.each([
    ['prose about tokens', 'The bearer of this token must authenticate; the password is required. Secrets: see below.'],
    ['a schema in words', 'password: string, token: string | null, api_key: required'],
    ['code', 'const token = getToken(); password = process.env.PASSWORD; f(secret=self.secret, token=token)'],
    ['placeholders', `password=$${'{PASSWORD}'} token=<token> secret="********" api_key=YOUR_API_KEY pwd="{{pwd}}"`],
    ['handles of pages', 'next_page_token=CAUQAA123 nextPageToken: "abc123def" continuation-token=xyz987'],
    ['counts', 'max_tokens=4096, tokens: 12345678, total_token: 87654321'],
    ['slugs', 'task-2024-report-final-version-two disk-1234567890-abcdefghij risk-management-framework-2'],
    ['public keys', '-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----\n-----BEGIN CERTIFICATE-----'],
    ['a publishable Stripe key', `pk_live_${letters(24)}`],
    ['three dotted words', 'eyJ.eyJ.x and www.eyJhbGci.com and a.eyJ9.b'],
    ['URLs without a password', 'http://host:8080/a@b https://user@host/ http://a:b/c@d mailto:x@y'],
    ['a number with a wrong check digit', '4111 1111 1111 1112'],
    ['a number of no issuer', '1234567812345670'],
    ['a longer number', '41111111111111111111111'],
    ['a fraction', '0.4111111111111111'],
    ['dates and times', '2026-11-24T07:05:20.123Z 20261124070520 1764000000000'],
    ['a digest', 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
    ['a short prefix', 'ghp_ AKIA sk- xoxb- glpat- AIza npm_ sk_live_'],
    ['nothing', ''],
    ['percent signs and backslashes', 'C:\\new\\table 100% of 50%25 \\u0041'],
  ])('leaves %s alone', (_, text) => {
    expect(mask(text)).toEqual({ value: text, findings: [], changed: false })
  })

  it('names a place that two detectors find by the more telling one, and covers both', () => {
    expect(mask(`Authorization: Bearer ${JWT}/tail`).value).toBe('Authorization: Bearer [masked:jwt]')
    expect(mask(`token=${GITHUB}`).findings).toEqual([{ detector: 'github-token', count: 1 }])
  })

  it('reports by detector, in the order of names, never the match', () => {
    const { findings } = mask(`${JWT} ${GITHUB} ${AWS_ID} ${GITHUB}`)
    expect(findings).toEqual([
      { detector: 'aws-access-key-id', count: 1 },
      { detector: 'github-token', count: 2 },
      { detector: 'jwt', count: 1 },
    ])
  })

  it('takes other detectors', () => {
    const only = createMasker({
      detectors: [{ name: 'badge', keywords: ['badge'], verify: (_, start, end) => ({ start, end }) }],
    })
    expect(only.maskText(`Badge ${GITHUB}`, []).value).toBe(`[masked:badge] ${GITHUB}`)
  })

  describe('the lent credential', () => {
    const lent = 'p@ss wörd/+1'
    const bytes = Buffer.from(lent)
    it.each<[string, string]>([
      ['as such', lent],
      ['behind Bearer', `Bearer ${lent}`],
      ['in base64', bytes.toString('base64')],
      ['in base64url', bytes.toString('base64url')],
      ['in Basic', `Basic ${Buffer.from(`user:${lent}`).toString('base64')}`],
      ['in base64 within a longer text', Buffer.from(`{"a":"${lent}","b":1}`).toString('base64')],
      ['in base64 shifted by one', Buffer.from(`x${lent}yz`).toString('base64')],
      ['in base64 shifted by two', Buffer.from(`xx${lent}`).toString('base64url')],
      ['percent-encoded', encodeURIComponent(lent)],
      ['form-encoded', new URLSearchParams({ k: lent }).toString()],
      ['percent-encoded altogether', [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')],
      ['JSON-escaped', `"${lent.replace('p', '\\u0070').replace('/', '\\/')}"`],
      ['in hexadecimal', bytes.toString('hex')],
      ['in capital hexadecimal', bytes.toString('hex').toUpperCase()],
      ['with invisible characters', [...lent].join('\u200b')],
    ])('is masked %s', (_, text) => {
      const result = mask(`before ${text} after`, lent)
      expect(result.value).toMatch(/^before .*\[masked:credential\].*after$/)
      expect(result.findings).toEqual([{ detector: 'credential', count: 1 }])
      expect(mask(result.value, lent).changed).toBe(false)
    })

    it('is masked where several are lent', () => {
      expect(mask('one-secret two-secret', 'one-secret', 'two-secret').value).toBe(
        '[masked:credential] [masked:credential]',
      )
    })

    it('is masked where one holds the other', () => {
      expect(mask('a: abcdefgh', 'abcdefgh', 'cdef').value).toBe('a: [masked:credential]')
    })

    it('is masked in four characters, anywhere', () => {
      expect(mask('xxq7wzxx', 'q7wz').value).toBe('xx[masked:credential]xx')
    })

    it('is masked in three characters only where it stands alone', () => {
      expect(mask('abc: xabcx abc_ (abc)', 'abc').value).toBe('[masked:credential]: xabcx abc_ ([masked:credential])')
    })

    it('masks nothing when it is empty', () => {
      expect(mask('abc', '')).toEqual({ value: 'abc', findings: [], changed: false })
    })
  })
})
