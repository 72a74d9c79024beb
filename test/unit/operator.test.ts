/** Whom the recording names for what was done from a shell. */
import { expect, it } from 'vitest'
import { operatorOf } from '../../src/cli/at-redis.ts'

it.each<[string, string | undefined, () => string, { id: string | RegExp; name: string | RegExp }]>([
  ['the user of the shell', undefined, () => 'ops', { id: 'shell:ops', name: 'ops' }],
  ['that user by another name', ' Bob, on call ', () => 'ops', { id: 'shell:ops', name: 'Bob, on call' }],
  ['nobody else, whose name is typed', 'root', () => 'ops', { id: 'shell:ops', name: 'root' }],
  ['a number, where the system knows no name', undefined, noName, { id: /^shell:uid-/, name: /^uid-/ }],
  ['a number too where a name is typed', 'Bob', noName, { id: /^shell:uid-/, name: 'Bob' }],
])('names %s', (_sentence, by, userName, expected) => {
  const { id, email, name } = operatorOf(by, userName)
  expect(email).toBeNull()
  expect(id).toMatch(expected.id)
  expect(name).toMatch(expected.name)
})

function noName(): string {
  throw new Error('A system error occurred: uv_os_get_passwd returned ENOENT (no such file or directory)')
}
