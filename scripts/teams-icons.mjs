/**
 * Draws the app's two icons for Teams, the console's mark at other sizes: `node scripts/teams-icons.mjs` writes them into
 * manifests/teams. Drawn here, because no icon is worth a package that rasterises.
 *
 * learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/apps-package, "App icons": colour 192×192, its
 * symbol within the middle 120×120, no rounded corners; outline 32×32, white alone on transparent ground.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { crc32, deflateSync } from 'node:zlib'

const GREEN = [0x1f, 0x6f, 0x4a]
const WHITE = [0xff, 0xff, 0xff]
/** Samples a pixel and side: edges are as smooth as eyes tell. */
const FINE = 8

/** The mark within a circle of radius 1 around the origin; y goes down. */
const CHECK = [
  [-0.46, 0.03],
  [-0.14, 0.36],
  [0.5, -0.34],
]
const DASHES = 24

export const icons = {
  'color.png': () => draw(192, colour),
  'outline.png': () => draw(32, outline),
}

function colour(x, y) {
  const [u, v] = [x / 60, y / 60]
  if (toCheck(u, v) < 0.105) return [...WHITE, 255]
  const turn = (Math.atan2(v, u) / (2 * Math.PI) + 1) * DASHES
  const isRing = Math.abs(Math.hypot(u, v) - 0.93) < 0.06 && turn % 1 < 0.55
  return isRing ? [...GREEN.map((part) => Math.round(part * 0.35 + 255 * 0.65)), 255] : [...GREEN, 255]
}

function outline(x, y) {
  const [u, v] = [x / 15, y / 15]
  const isDrawn = toCheck(u * 1.06, v * 1.06) < 0.13 || Math.abs(Math.hypot(u, v) - 0.9) < 0.075
  return [...WHITE, isDrawn ? 255 : 0]
}

function toCheck(u, v) {
  const [start, bend, end] = CHECK
  return Math.min(toSegment([u, v], start, bend), toSegment([u, v], bend, end))
}

/** Distance to a line with round ends. */
function toSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay]
  const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
  const at = Math.max(0, Math.min(1, along))
  return Math.hypot(x - ax - at * dx, y - ay - at * dy)
}

/** A PNG, 8 bits a channel, RGBA, no interlacing, each row without a filter (W3C PNG §11). */
function draw(size, paint) {
  const rows = []
  for (let row = 0; row < size; row += 1) {
    rows.push(0)
    for (let column = 0; column < size; column += 1) rows.push(...pixel(row, column, size, paint))
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header.set([8, 6, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.from(rows), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** The mean of its samples; colours weigh as much as they cover, so that no edge gets a dark rim. */
function pixel(row, column, size, paint) {
  const sums = [0, 0, 0, 0]
  for (let sample = 0; sample < FINE * FINE; sample += 1) {
    const x = column + ((sample % FINE) + 0.5) / FINE - size / 2
    const y = row + (Math.floor(sample / FINE) + 0.5) / FINE - size / 2
    const [red, green, blue, alpha] = paint(x, y)
    for (const [at, part] of [red, green, blue].entries()) sums[at] += part * alpha
    sums[3] += alpha
  }
  const cover = sums[3] === 0 ? [...WHITE] : sums.slice(0, 3).map((sum) => Math.round(sum / sums[3]))
  return [...cover, Math.round(sums[3] / FINE ** 2)]
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, make] of Object.entries(icons)) {
    writeFileSync(fileURLToPath(new URL(`../manifests/teams/${name}`, import.meta.url)), make())
  }
}
