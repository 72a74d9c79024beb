import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registerMask } from '../../src/cli/mask.ts'
import { AWS_ID, GITHUB } from '../support/secret-samples.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'countersign-mask-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function run(sample: string | Uint8Array | null, ...options: string[]) {
  const written = { output: '', errors: '' }
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  registerMask(program, {
    input: (async function* () {
      if (sample !== null) yield sample
    })(),
    output: { write: (text) => (written.output += text) },
    errors: { write: (text) => (written.errors += text) },
    env: {},
  })
  await program.parseAsync(['mask', ...options], { from: 'user' })
  return written
}

describe('countersign mask', () => {
  it.each<[string, string, string, string]>([
    [
      'text',
      `a ${GITHUB}\nb ${GITHUB}\n`,
      'a [masked:github-token]\nb [masked:github-token]\n',
      'github-token: 2 replacements\n',
    ],
    ['text without secrets', 'nothing', 'nothing', 'Nothing was found.\n'],
    [
      'any JSON',
      '{ "password": "x", "n": 12345678901234567890 }\n',
      '{ "password": "[masked:secret-field]", "n": 12345678901234567890 }\n',
      'secret-field: 1 replacement\n',
    ],
    [
      'a message',
      `{"jsonrpc":"2.0","id":"${AWS_ID}","result":{"a":"${AWS_ID}"}}`,
      `{"jsonrpc":"2.0","id":"${AWS_ID}","result":{"a":"[masked:aws-access-key-id]"}}`,
      'aws-access-key-id: 1 replacement\n',
    ],
    [
      'server-sent events',
      `: hello\n\nid: 1\ndata: {"password":\ndata: "x"}\n\ndata: ${GITHUB}\n\n`,
      ': hello\n\nid: 1\ndata: {"password":\ndata: "[masked:secret-field]"}\n\ndata: [masked:github-token]\n\n',
      'github-token: 1 replacement\nsecret-field: 1 replacement\n',
    ],
    [
      'events without secrets',
      'event: message\ndata: {"a": 1}\n\n',
      'event: message\ndata: {"a": 1}\n\n',
      'Nothing was found.\n',
    ],
  ])('masks %s from standard input', async (_, sample, output, errors) => {
    expect(await run(sample, '-')).toEqual({ output, errors })
  })

  it('masks a file, and prints findings for machines', async () => {
    const file = path.join(directory, 'sample.txt')
    await writeFile(file, `token: ${GITHUB}`)
    const written = await run(null, file, '--json')
    expect(written).toEqual({
      output: 'token: [masked:github-token]',
      errors: '{"detector":"github-token","count":1}\n',
    })
  })

  it.each<[string, string | Uint8Array, string, RegExp]>([
    ['a file that is not there', '', '/nonexistent/sample', /does not exist/],
    ['a directory', '', '/', /cannot be read/],
    ['what is not UTF-8', Uint8Array.of(0xff, 0xfe, 0x41), '-', /not UTF-8/],
    ['too much', 'x'.repeat(16 * 1024 * 1024 + 1), '-', /larger than/],
  ])('refuses %s with a sentence', async (_, sample, file, message) => {
    await expect(run(sample, file)).rejects.toMatchObject({
      name: 'CommandError',
      message: expect.stringMatching(message),
    })
  })

  it('refuses to run without a file', async () => {
    await expect(run('')).rejects.toMatchObject({ code: 'commander.missingArgument' })
  })
})
