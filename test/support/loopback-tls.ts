/**
 * A certificate for loopback, made anew for every run, which lives as long as the run does: Microsoft's own sign-in library
 * refuses an authority without TLS, and no private key belongs in a repository.
 *
 * Node reads NODE_EXTRA_CA_CERTS once, when a process starts. So it is set here, before the tests' processes are forked,
 * and they and the gateways that they start trust the certificate by it.
 * nodejs.org/api/cli.html, "NODE_EXTRA_CA_CERTS"
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { generate } from 'selfsigned'

const DIRECTORY = 'COUNTERSIGN_TEST_TLS'
/** Longer than any run, short enough that nobody keeps it. */
const LIVES_MS = 24 * 60 * 60_000

export interface LoopbackTls {
  readonly key: string
  readonly cert: string
}

/** For vitest's `globalSetup`, and for a program that starts others. Answers what undoes it. */
export async function setup(): Promise<() => void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'countersign-tls-'))
  const before = process.env.NODE_EXTRA_CA_CERTS
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + LIVES_MS),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          { type: 2, value: 'localhost' },
        ],
      },
    ],
  })
  const trusted = path.join(directory, 'trusted.pem')
  writeFileSync(path.join(directory, 'key.pem'), made.private, { mode: 0o600 })
  writeFileSync(path.join(directory, 'cert.pem'), made.cert)
  // Whoever runs this behind a proxy has certificates of their own there.
  const others = before === undefined ? '' : readFileSync(before, 'utf8')
  writeFileSync(trusted, `${others}\n${made.cert}`)
  process.env.NODE_EXTRA_CA_CERTS = trusted
  process.env[DIRECTORY] = directory
  return () => {
    rmSync(directory, { recursive: true, force: true })
    delete process.env[DIRECTORY]
    if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS
    else process.env.NODE_EXTRA_CA_CERTS = before
  }
}

/** What this run's processes trust. */
export function loopbackTls(): LoopbackTls {
  const directory = process.env[DIRECTORY]
  if (directory === undefined) throw new Error('no certificate for loopback: start the process after its setup()')
  const read = (name: string) => readFileSync(path.join(directory, name), 'utf8')
  return { key: read('key.pem'), cert: read('cert.pem') }
}
