import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { boundTo, createSealer, SEALED_BYTES_MAX, type SealingKey, type SealPurpose } from '../../src/sealing/seal.ts'
import { Secret } from '../../src/secret.ts'
import { aPrincipal } from '../support/examples.ts'

const aKey = (isActive = true): SealingKey => ({ secret: new Secret(randomBytes(32).toString('base64url')), isActive })
const sealerWith = (...ring: SealingKey[]) => createSealer({ ring: () => ring, randomBytes })

const VALUE = { upstreamSession: 'u-1', client: 'test' }
const alice = aPrincipal()
const BOUND = boundTo(alice, 'files')

describe('a seal', () => {
  const key = aKey()
  const sealer = sealerWith(key)
  const text = sealer.seal('mcp-session', VALUE, BOUND)

  it('opens where it belongs, is visible ASCII, and shows nothing of what is in it', () => {
    expect(sealer.open('mcp-session', text, BOUND)).toEqual(VALUE)
    expect(text).toMatch(/^cs1\.[\w-]+$/)
    expect(Buffer.from(text.slice(4), 'base64url').toString('latin1')).not.toContain('u-1')
    expect(sealer.seal('mcp-session', VALUE, BOUND), 'never the same twice').not.toBe(text)
  })

  it.each<[string, SealPurpose, string, string]>([
    ['for another purpose', 'request-state', text, BOUND],
    ['for another subject', 'mcp-session', text, boundTo({ ...alice, subject: 'mallory' }, 'files')],
    ['for another issuer', 'mcp-session', text, boundTo({ ...alice, issuer: 'https://other.example' }, 'files')],
    ['for another client of the same person', 'mcp-session', text, boundTo({ ...alice, client: 'other' }, 'files')],
    ['for another upstream', 'mcp-session', text, boundTo(alice, 'mail')],
    ['without its prefix', 'mcp-session', text.slice(4), BOUND],
    ['cut short', 'mcp-session', text.slice(0, -1), BOUND],
    ['cut to nothing', 'mcp-session', 'cs1.', BOUND],
    ['with something behind it', 'mcp-session', `${text}AAAA`, BOUND],
    ['with what base64 readers skip', 'mcp-session', `${text}=`, BOUND],
    ['with a line break', 'mcp-session', `${text}\n`, BOUND],
    ['as it never was', 'mcp-session', `cs1.${'A'.repeat(100)}`, BOUND],
    ['longer than any', 'mcp-session', `cs1.${'A'.repeat(1_000_000)}`, BOUND],
    ['as an empty text', 'mcp-session', '', BOUND],
  ])('does not open %s', (_sentence, purpose, changed, bound) => {
    expect(sealer.open(purpose, changed, bound)).toBeNull()
  })

  it('does not open with any one character changed', () => {
    for (let at = 4; at < text.length; at++) {
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
      expect(sealer.open('mcp-session', changed, BOUND), `at ${at}`).toBeNull()
    }
  })

  it('does not hold more than it may', () => {
    const fits = { text: 'x'.repeat(SEALED_BYTES_MAX - 11) }
    expect(sealer.open('request-state', sealer.seal('request-state', fits, BOUND), BOUND)).toEqual(fits)
    expect(() => sealer.seal('request-state', { text: 'x'.repeat(SEALED_BYTES_MAX) }, BOUND)).toThrow(
      'cannot be sealed',
    )
  })
})

describe('a ring of keys', () => {
  it('seals with the newest that is active and opens with all of them', () => {
    const [old, middle, fresh] = [aKey(), aKey(), aKey(false)]
    const byOld = sealerWith(old).seal('mcp-session', VALUE, BOUND)
    const byAll = sealerWith(fresh, middle, old).seal('mcp-session', VALUE, BOUND)
    expect(sealerWith(fresh, middle, old).open('mcp-session', byOld, BOUND)).toEqual(VALUE)
    expect(sealerWith(middle).open('mcp-session', byAll, BOUND), 'a replica that has not read the newest').toEqual(
      VALUE,
    )
    expect(sealerWith(fresh).open('mcp-session', byOld, BOUND), 'a key that was dropped').toBeNull()
  })

  it('may change under a sealer', () => {
    let ring = [aKey()]
    const sealer = createSealer({ ring: () => ring, randomBytes })
    const text = sealer.seal('mcp-session', VALUE, BOUND)
    ring = [aKey(), ...ring]
    expect(sealer.open('mcp-session', text, BOUND)).toEqual(VALUE)
    ring = ring.slice(0, 1)
    expect(sealer.open('mcp-session', text, BOUND)).toBeNull()
  })

  it('without an active key seals nothing', () => {
    expect(() => sealerWith(aKey(false)).seal('mcp-session', VALUE, BOUND)).toThrow('no key')
    expect(sealerWith().open('mcp-session', 'cs1.AAAA', BOUND)).toBeNull()
  })

  it('prints no key', () => {
    const key = aKey()
    expect(`${inspect(key)}${JSON.stringify(key)}`).not.toContain(key.secret.reveal())
  })
})
