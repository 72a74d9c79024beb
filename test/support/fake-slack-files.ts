/** Slack's upload of files, in its three steps: docs.slack.dev/reference/methods/files.getUploadURLExternal. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { World } from './fake-slack-world.ts'

type Answer = { ok: boolean } & Record<string, unknown>
type Args = Readonly<Record<string, string>>

const refuse = (error: string): Answer => ({ ok: false, error })

export function getUploadURLExternal(world: World, args: Args): Answer {
  const length = Number(args.length)
  if (!args.filename || !Number.isSafeInteger(length) || length <= 0) return refuse('missing_argument')
  const id = `F${++world.serial}`
  world.files.push({ id, name: args.filename, length, text: null, channel: null, threadTs: null })
  return { ok: true, upload_url: `${world.baseUrl}/upload/v1/${id}-${randomUUID()}`, file_id: id }
}

/** Raw or as multipart; another length than announced is refused. */
export function upload(world: World, path: string, type: string, body: string, response: ServerResponse): void {
  const file = world.files.find(({ id }) => path.startsWith(`/upload/v1/${id}-`))
  if (file === undefined) return void response.writeHead(404).end()
  const boundary = /boundary=(.+)$/.exec(type)?.[1]
  const text = boundary === undefined ? body : partOf(body, boundary)
  if (Buffer.byteLength(text) !== file.length) return void response.writeHead(400).end('wrong length')
  file.text = text
  response.writeHead(200).end(`OK - ${file.length}`)
}

function partOf(body: string, boundary: string): string {
  const from = body.indexOf('\r\n\r\n') + 4
  return body.slice(from, body.lastIndexOf(`\r\n--${boundary}--`))
}

export function completeUploadExternal(world: World, args: Args): Answer {
  const wanted = JSON.parse(args.files ?? '[]') as { id: string }[]
  const files = wanted.map(({ id }) => world.files.find((file) => file.id === id))
  if (files.length === 0 || files.some((file) => file === undefined || file.text === null)) {
    return refuse('file_not_found')
  }
  if (args.channel_id !== undefined && !world.channels.has(args.channel_id)) return refuse('channel_not_found')
  const thread = world.messages.find(({ channel, ts }) => channel === args.channel_id && ts === args.thread_ts)
  if (args.thread_ts !== undefined && thread === undefined) return refuse('invalid_arguments')
  for (const file of files) {
    if (file !== undefined) Object.assign(file, { channel: args.channel_id ?? null, threadTs: args.thread_ts ?? null })
  }
  return { ok: true, files: wanted.map(({ id }) => ({ id })) }
}
