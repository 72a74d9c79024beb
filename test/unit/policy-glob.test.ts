import { describe, expect, it } from 'vitest'
import { globMatches } from '../../src/policy/glob.ts'

describe('a glob', () => {
  it.each<[string, string, string, boolean]>([
    ['without wildcards is the name', 'read_file', 'read_file', true],
    ['without wildcards is no longer name', 'read_file', 'read_files', false],
    ['without wildcards is no shorter name', 'read_file', 'read_fil', false],
    ['* is any name', '*', 'read_file', true],
    ['* is the empty name', '*', '', true],
    ['* at the end', 'read_*', 'read_file', true],
    ['* stands for nothing, too', 'read_*', 'read_', true],
    ['* at the end does not begin anywhere', 'read_*', 'thread_file', false],
    ['* at the start', '*_file', 'read_file', true],
    ['* at the start does not end anywhere', '*_file', 'read_files', false],
    ['* in the middle', 'r*_file', 'read_file', true],
    ['* does not let two ends share characters', 'aba*aba', 'ababa', false],
    ['* finds the last stretch at the end', '*a*b', 'aabab', true],
    ['several *', 'a*b*c*d', 'axxbyyczzd', true],
    ['several * in order only', 'a*c*b*d', 'axxbyyczzd', false],
    ['** is *', 'a**b', 'axb', true],
    ['* passes slashes', 'resources/*', 'resources/templates/list', true],
    ['? is one character', 'r?ad', 'read', true],
    ['? is not none', 'r?ead', 'read', false],
    ['? beside *', '*?', '', false],
    ['? within a stretch', '*e?d*', 'xxeadyy', true],
    ['. is a dot', 'a.b', 'axb', false],
    ['[ and ( and \\ are themselves', '[a]\\(b)', '[a]\\(b)', true],
    ['the empty pattern is the empty name only', '', 'a', false],
  ])('%s', (_sentence, pattern, name, matches) => {
    expect(globMatches(pattern, name)).toBe(matches)
  })

  it('does work that grows with pattern × name, not with their power', () => {
    let steps = 0
    // A name that counts each look at a character; a pattern built to make a backtracking matcher try every split.
    const name = new Proxy([...`${'a'.repeat(256)}`], {
      get(target, key, receiver) {
        if (typeof key === 'string' && /^\d+$/.test(key)) steps++
        return Reflect.get(target, key, receiver)
      },
    }) as unknown as string
    expect(globMatches(`${'*a'.repeat(100)}*b*a`, name)).toBe(false)
    expect(steps).toBeGreaterThan(0)
    expect(steps).toBeLessThan(256 * 256)
  })
})
