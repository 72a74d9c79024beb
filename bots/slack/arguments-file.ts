/**
 * All of a call as a text file in its card's thread, where the card can't show all of it: a large screen and a search
 * are the better tools for 100 kB. It holds the same visible text as the card: the raw bytes could make a viewer
 * reorder or hide what they say. Each line of a value is indented, so that no value can imitate another row.
 */
import type { Card } from '../../src/approval/card.ts'
import type { Pace } from '../chat/pace.ts'
import { callRows, shownCall } from './shown-call.ts'
import type { SlackWeb } from './web.ts'

/** Null where the card shows all of it. */
export function argumentsFile(card: Card): { readonly name: string; readonly text: string } | null {
  if (shownCall(card).isComplete) return null
  const rows = callRows(card).map(({ name, value }) => `${name}\n${indented(value)}\n`)
  const head = `${card.headline}\nfingerprint ${card.shortFingerprint}, approval ${card.approvalId}\n`
  return { name: `arguments-${card.approvalId}.txt`, text: [head, ...rows].join('\n') }
}

function indented(value: string): string {
  return value === '' ? '    (empty)' : value.replace(/^/gm, '    ')
}

interface Upload {
  readonly web: SlackWeb
  readonly pace: Pace
  readonly channel: string
  readonly threadTs: string
}

/** Rejects as asChannelError says: where a workspace takes no files, the window with all pages is there still. */
export async function attachArguments(card: Card, { web, pace, channel, threadTs }: Upload): Promise<void> {
  const file = argumentsFile(card)
  if (file === null) return
  const upload = { filename: file.name, title: 'All of what is asked', file: Buffer.from(file.text) }
  // The last of its three steps gives its name to the lane.
  await pace.run({ method: 'files.completeUploadExternal' }, () =>
    web.filesUploadV2({ channel_id: channel, thread_ts: threadTs, ...upload }),
  )
}
