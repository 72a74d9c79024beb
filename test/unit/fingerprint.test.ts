import { describe, expect, it } from 'vitest'
import { type Fingerprinted, fingerprintOf } from '../../src/approval/fingerprint.ts'
import { type PolicyVersion, principalId } from '../../src/brands.ts'
import type { JsonValue } from '../../src/json/value.ts'

const call: Fingerprinted = {
  principal: principalId('https://issuer.example', 'alice'),
  upstream: 'files',
  tool: 'write_file',
  arguments: { path: '/data/a', content: 'x', mode: 1 },
  inputResponses: null,
  toolDefinition: { name: 'write_file', inputSchema: { type: 'object' } },
  policy: 'a'.repeat(64) as PolicyVersion,
}
const parsed = (text: string) => JSON.parse(text) as JsonValue

describe('fingerprint', () => {
  it('is 64 hexadecimal digits that no release may change for the same call', () => {
    expect(fingerprintOf(call)).toBe('669bfc093662f0fa87904fd9db3cf17660f721fc5a81624a84c75b03d5f604bd')
  })

  it.each<[string, Partial<Fingerprinted>]>([
    ['the principal', { principal: principalId('https://issuer.example', 'bob') }],
    ['the issuer', { principal: principalId('https://other.example', 'alice') }],
    ['the upstream', { upstream: 'files2' }],
    ['the tool', { tool: 'write_files' }],
    ['an argument’s value', { arguments: { path: '/data/b', content: 'x', mode: 1 } }],
    ['an argument’s name', { arguments: { Path: '/data/a', content: 'x', mode: 1 } }],
    ['an argument more', { arguments: { path: '/data/a', content: 'x', mode: 1, force: true } }],
    ['an argument fewer', { arguments: { path: '/data/a', content: 'x' } }],
    ['a number turned into text', { arguments: { path: '/data/a', content: 'x', mode: '1' } }],
    ['a space in a value', { arguments: { path: '/data/a', content: 'x ', mode: 1 } }],
    ['no arguments', { arguments: {} }],
    ['input responses', { inputResponses: { confirm: true } }],
    ['the tool’s definition', { toolDefinition: { name: 'write_file', inputSchema: { type: 'array' } } }],
    ['a tool no longer listed', { toolDefinition: null }],
    ['the policy', { policy: 'b'.repeat(64) as PolicyVersion }],
  ])('changes with %s', (_, change) => {
    expect(fingerprintOf({ ...call, ...change })).not.toBe(fingerprintOf(call))
  })

  it.each([
    ['the order of keys', '{"mode":1,"content":"x","path":"/data/a"}'],
    ['white space', '{ "path" : "/data/a",\n"content":"x", "mode":1 }'],
    ['1.0 for 1', '{"path":"/data/a","content":"x","mode":1.0}'],
    ['escapes', '{"p\\u0061th":"\\/data\\/a","content":"x","mode":1}'],
  ])('does not change with %s', (_, text) => {
    expect(fingerprintOf({ ...call, arguments: parsed(text) })).toBe(fingerprintOf(call))
  })

  it('keeps the order of arrays', () => {
    const of = (list: JsonValue) => fingerprintOf({ ...call, arguments: { list } })
    expect(of([1, 2])).not.toBe(of([2, 1]))
  })

  it('keeps what stands in one field out of another', () => {
    const a = fingerprintOf({ ...call, upstream: 'a', tool: 'bc' })
    const b = fingerprintOf({ ...call, upstream: 'ab', tool: 'c' })
    expect(a).not.toBe(b)
    const inArguments = fingerprintOf({ ...call, arguments: { confirm: true }, inputResponses: null })
    const inResponses = fingerprintOf({ ...call, arguments: {}, inputResponses: { confirm: true } })
    expect(inArguments).not.toBe(inResponses)
  })

  it('ignores members that a caller adds beside the known ones', () => {
    expect(fingerprintOf({ ...call, callId: 'call_1' } as Fingerprinted)).toBe(fingerprintOf(call))
  })
})
