/**
 * The app's manifest with the ids of one installation: manifests/teams/manifest.json, its placeholders filled. Nothing of
 * a placeholder may be left in what is uploaded, and nothing is asked for that the settings leave unused.
 */
import type { JsonObject } from '../../src/json/value.ts'

export interface AppPackageNames {
  /** Of the bot's app registration; the app's own id in Teams too. */
  readonly appId: string
  /** Of gateway.publicUrl. */
  readonly host: string
  /** Teams replaces an uploaded app only by one of a higher version. */
  readonly version: string
  /** See permissions.ts. */
  readonly graph: boolean
}

/** Throws where the text holds a placeholder that nothing fills: then it is of another version than this code. */
export function fillManifest(text: string, { appId, host, version, graph }: AppPackageNames): JsonObject {
  const values: Readonly<Record<string, string>> = { TEAMS_APP_ID: appId, PUBLIC_HOST: host, VERSION: version }
  const filled = text.replace(/\$\{\{(\w*)\}\}/g, (placeholder, name: string) => {
    const value = values[name]
    if (value === undefined) throw new TypeError(`nothing fills ${placeholder}`)
    return JSON.stringify(value).slice(1, -1)
  })
  if (/\{\{|\}\}/.test(filled)) throw new TypeError('a placeholder is not written as one')
  const { authorization, webApplicationInfo, ...manifest } = JSON.parse(filled) as JsonObject
  return graph ? ({ ...manifest, webApplicationInfo, authorization } as JsonObject) : manifest
}
