/**
 * What manifests/teams asks a tenant for, against what the code does there, and against Microsoft's schema 1.29. What is
 * missing and what is not needed fail alike: nobody should grant an app more than it uses.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { inflateSync } from 'node:zlib'
import { AppManifestUtils, type TeamsManifest } from '@microsoft/app-manifest'
import { describe, expect, it } from 'vitest'
import { ACCESS_DIALOG } from '../../bots/teams/access-dialog.ts'
import { fillManifest } from '../../bots/teams/app-package.ts'
import { BOT_NAME } from '../../bots/teams/commands.ts'
import { teamsFreezeCommands } from '../../bots/teams/freeze-commands.ts'
import { RESOURCE_PERMISSIONS } from '../../bots/teams/permissions.ts'

const script = new URL('../../scripts/teams-icons.mjs', import.meta.url).href
const { icons } = (await import(script)) as { icons: Readonly<Record<'color.png' | 'outline.png', () => Buffer>> }
const require = createRequire(import.meta.url)
const schema = require('@microsoft/app-manifest/build/json-schemas/teams/v1.29/MicrosoftTeams.schema.json')
const text = readFileSync('manifests/teams/manifest.json', 'utf8')
const NAMES = { appId: '0a0a0a0a-0000-4000-8000-00000000000a', host: 'gateway.example.com', version: '1.2.3' }
const filled = (graph: boolean) => fillManifest(text, { ...NAMES, graph }) as unknown as Manifest

interface Manifest {
  readonly name: { readonly short: string }
  readonly manifestVersion: string
  readonly bots: readonly [
    {
      readonly scopes: readonly string[]
      readonly supportsTargetedMessages: boolean
      readonly commandLists: readonly {
        readonly scopes: readonly string[]
        readonly commands: readonly { readonly title: string }[]
      }[]
    },
  ]
  readonly composeExtensions: readonly [
    { readonly commands: readonly { readonly id: string; readonly type: string }[] },
  ]
  readonly authorization?: { readonly permissions: { readonly resourceSpecific: readonly { readonly name: string }[] } }
  readonly webApplicationInfo?: unknown
}

const faults = (manifest: unknown) => AppManifestUtils.validateAgainstSchema(manifest as TeamsManifest, schema)

describe('[REQ-PACKAGE-1] the manifest', () => {
  it.each([true, false])('keeps to Microsoft’s schema (graph: %s)', async (graph) => {
    expect(await faults(filled(graph))).toEqual([])
    expect(filled(graph).manifestVersion).toBe('1.29')
  })

  it.each<[string, (manifest: Manifest) => unknown]>([
    ['a member that Teams does not know', (manifest) => ({ ...manifest, scopes: [] })],
    ['a name that is too long', (manifest) => ({ ...manifest, name: { short: 'x'.repeat(31) } })],
    ['an id that is none', (manifest) => ({ ...manifest, id: 'countersign' })],
    ['two bots', (manifest) => ({ ...manifest, bots: [manifest.bots[0], manifest.bots[0]] })],
  ])('the schema refuses %s', async (_what, spoil) => {
    expect(await faults(spoil(filled(true)))).not.toEqual([])
  })

  it('names the bot as the answers do', () => {
    expect(filled(true).name.short).toBe(BOT_NAME)
  })

  it('lists exactly the commands that are answered, in every scope of the bot', () => {
    const freezing = teamsFreezeCommands({} as never).map(({ name }) => name)
    const [bot] = filled(true).bots
    expect(bot.commandLists.flatMap(({ scopes }) => scopes).sort()).toEqual([...bot.scopes].sort())
    for (const { commands } of bot.commandLists) {
      expect(commands.map(({ title }) => title).sort()).toEqual([...freezing, ...registered(), 'help'].sort())
    }
  })

  it('asks for exactly the permissions that the code names, and for none without graph', () => {
    const asked = filled(true).authorization?.permissions.resourceSpecific.map(({ name }) => name)
    expect(asked).toEqual(Object.keys(RESOURCE_PERMISSIONS))
    expect(filled(false)).not.toHaveProperty('authorization')
    expect(filled(false)).not.toHaveProperty('webApplicationInfo')
  })

  it('leaves no placeholder in, and fills none that it does not know', () => {
    expect(JSON.stringify(filled(true))).not.toMatch(/\$\{|\{\{|TEAMS_APP_ID|PUBLIC_HOST/)
    for (const odd of ['$OTHER', 'TEAMS_APP_ID', '$']) {
      const placeholder = odd.replace(/^(\$?)(.*)$/, '$1{{$2}}')
      expect(() => fillManifest(`{"id":"${placeholder}"}`, { ...NAMES, graph: true }), odd).toThrow(TypeError)
    }
  })
})

/** Commands that a feature registers beside those of freezing: objects with a name, a usage and what they do. */
function registered(): readonly string[] {
  const sources = readdirSync('bots/teams').map((name) => readFileSync(`bots/teams/${name}`, 'utf8'))
  return sources.flatMap((source) =>
    [...source.matchAll(/\bname: '([a-z]+)',\s+usage: /g)].map(([, name = '']) => name),
  )
}

describe('the compose action', () => {
  it('is the one that is answered', () => {
    const [{ commands }] = filled(true).composeExtensions
    expect(commands.map(({ id, type }) => [id, type])).toEqual([[ACCESS_DIALOG, 'action']])
  })
})

describe('the icons', () => {
  it.each([
    ['color.png', 192],
    ['outline.png', 32],
  ] as const)('%s is %i pixels wide and high, and is what the script draws', (name, size) => {
    const file = decode(readFileSync(`manifests/teams/${name}`))
    expect([file.width, file.height]).toEqual([size, size])
    // Compressed by another zlib it may have other bytes.
    expect(file.pixels.equals(decode(icons[name]()).pixels)).toBe(true)
  })

  it('outline.png is white alone, on transparent ground', () => {
    const { pixels, width } = decode(readFileSync('manifests/teams/outline.png'))
    const alphas = new Set<number>()
    for (let at = 0; at < pixels.length; at += 1 + width * 4) {
      for (let pixel = at + 1; pixel < at + 1 + width * 4; pixel += 4) {
        expect([...pixels.subarray(pixel, pixel + 3)]).toEqual([255, 255, 255])
        alphas.add(pixels[pixel + 3] ?? -1)
      }
    }
    expect(pixels[4]).toBe(0)
    expect(alphas).toContain(0)
    expect(alphas).toContain(255)
  })
})

/** As teams-icons.mjs writes it: one IDAT after a header of 33 bytes. */
function decode(png: Buffer) {
  expect(png.subarray(1, 4).toString('latin1')).toBe('PNG')
  const length = png.readUInt32BE(33)
  return {
    width: png.readUInt32BE(16),
    height: png.readUInt32BE(20),
    pixels: inflateSync(png.subarray(41, 41 + length)),
  }
}
