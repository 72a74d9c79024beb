/** The keys of the fake Teams; none outlives its process. */
import { randomUUID } from 'node:crypto'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose'

export interface Key {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  readonly publicJwk: JWK
  /** The channels that it may sign for; undefined: the document doesn't say. */
  readonly endorsements?: readonly string[]
}

export interface Keys {
  /** Signs for Teams. */
  connector: Key
  /** In the same document, for other channels; and one of which the document doesn't say. */
  readonly otherChannel: Key
  readonly bare: Key
  readonly entra: Key
  /** In no document. */
  readonly unknown: Key
}

export type KeyName = keyof Keys

let made: Promise<Keys> | undefined

/** The same for all fakes of a process, because five RSA keys take a second or more; each may put others in their place. */
export async function createKeys(): Promise<Keys> {
  made ??= makeKeys()
  return { ...(await made) }
}

async function makeKeys(): Promise<Keys> {
  const [connector, otherChannel, bare, entra, unknown] = await Promise.all([
    createKey(['msteams', 'skypespaces']),
    createKey(['webchat', 'directline']),
    createKey(),
    createKey(),
    createKey(),
  ])
  return { connector, otherChannel, bare, entra, unknown }
}

export async function createKey(endorsements?: readonly string[]): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = randomUUID().replaceAll('-', '')
  const publicJwk = { ...(await exportJWK(publicKey)), kid, x5t: kid, use: 'sig' }
  return { kid, privateKey, publicKey, publicJwk, ...(endorsements !== undefined && { endorsements }) }
}
