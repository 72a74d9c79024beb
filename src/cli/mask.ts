/**
 * `countersign mask FILE`: what masking does to a sample. The masked text goes to standard output and what was found to
 * standard error, so that the output can be piped on; nothing but the sample is read, and no gateway is needed.
 *
 * The sample is taken for what it is: JSON (a message, or any other value), server-sent events, else text.
 */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Finding } from '../audit/events.ts'
import { spliceJson } from '../json/splice.ts'
import { parseStrict } from '../json/strict.ts'
import { isObject } from '../json/value.ts'
import { createMasker, type Masker } from '../masking/masker.ts'
import { CommandError } from './load.ts'
import { count, createTerminal, type Output } from './terminal.ts'

export interface MaskWorld {
  readonly input: AsyncIterable<Uint8Array | string>
  readonly output: Output
  readonly errors: Output
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Bytes of a sample: as much as the largest answer that the gateway takes. */
const SAMPLE_MAX = 16 * 1024 * 1024

export function registerMask(program: Command, world: MaskWorld): void {
  program
    .command('mask')
    .argument('<file>', 'JSON, server-sent events or text; - for standard input')
    .description('show what masking does to a sample')
    .option('--json', 'findings as one JSON value a line')
    .addHelpText('after', '\nExample:\n  $ countersign mask answer.json\n  $ env | countersign mask -')
    .action(async (file: string, options: { json?: boolean }) => {
      const { text, findings } = maskSample(await readSample(file, world.input))
      world.output.write(text)
      const terminal = createTerminal(world.errors, world.env)
      for (const finding of findings) {
        if (options.json) terminal.json(finding)
        else terminal.line(['open', finding.detector], `: ${count(finding.count, 'replacement')}`)
      }
      if (findings.length === 0 && !options.json) terminal.line('Nothing was found.')
    })
}

interface MaskedSample {
  readonly text: string
  readonly findings: readonly Finding[]
}

export function maskSample(sample: string): MaskedSample {
  const masker = createMasker()
  return maskJson(masker, sample) ?? maskEvents(masker, sample) ?? maskPlain(masker, sample)
}

/** Null for what is no JSON. Only strings change; spacing and numbers stay as they are. */
function maskJson(masker: Masker, sample: string): MaskedSample | null {
  const parsed = parseStrict(new TextEncoder().encode(sample), { numbers: 'any' })
  if (!parsed.ok) return null
  const { value } = parsed
  const first = Array.isArray(value) ? value[0] : value
  const isMessage = isObject(first) && first.jsonrpc === '2.0'
  const masked = isMessage ? masker.maskMessage(value, []) : masker.maskValue(value, [])
  return { text: spliceJson(sample, value, masked.value), findings: masked.findings }
}

/** WHATWG HTML §9.2.5. Null where no line has the name of a field. */
function maskEvents(masker: Masker, sample: string): MaskedSample | null {
  if (!/^(?:event|data|id|retry):/m.test(sample)) return null
  const findings: Finding[] = []
  const events = sample.split(/(\r?\n\r?\n)/).map((event) => {
    const lines = event.split(/\r?\n/)
    const isData = (line: string) => /^data(?::|$)/.test(line)
    if (!lines.some(isData)) return event
    const data = lines.filter(isData).map((line) => line.replace(/^data:? ?/, ''))
    const masked = maskJson(masker, data.join('\n')) ?? maskPlain(masker, data.join('\n'))
    if (masked.findings.length === 0) return event
    findings.push(...masked.findings)
    const others = lines.filter((line) => !isData(line))
    return [...others, ...masked.text.split('\n').map((line) => `data: ${line}`)].join('\n')
  })
  return { text: events.join(''), findings: added(findings) }
}

function maskPlain(masker: Masker, sample: string): MaskedSample {
  const { value, findings } = masker.maskText(sample, [])
  return { text: value, findings }
}

function added(findings: readonly Finding[]): Finding[] {
  const counts = new Map<string, number>()
  for (const { detector, count } of findings) counts.set(detector, (counts.get(detector) ?? 0) + count)
  return [...counts]
    .map(([detector, count]) => ({ detector, count }))
    .sort((a, b) => (a.detector < b.detector ? -1 : 1))
}

async function readSample(file: string, input: MaskWorld['input']): Promise<string> {
  const bytes = file === '-' ? await readAll(input) : await readNamed(file)
  if (bytes.length > SAMPLE_MAX) throw new CommandError(`The sample is larger than ${SAMPLE_MAX} bytes.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new CommandError('The sample is not UTF-8 text.', { cause })
  }
}

async function readAll(input: MaskWorld['input']): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of input) {
    chunks.push(Buffer.from(chunk))
    length += chunk.length
    if (length > SAMPLE_MAX) break
  }
  return Buffer.concat(chunks)
}

async function readNamed(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new CommandError(`The file ${file} ${why}.`, { cause })
  }
}
