/** How the person who clicked hears of what came of it. */
import type { types } from '@slack/bolt'
import { visible } from '../../src/approval/visible.ts'
import type { Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import type { PrivateAnswer } from '../chat/private-answer.ts'
import { line, linkTo, plainSection } from './text.ts'

export function answerBlocks({ message, link }: PrivateAnswer): types.KnownBlock[] {
  const blocks: types.KnownBlock[] = [plainSection(visible(message ?? ''))]
  if (link !== null) blocks.push({ type: 'rich_text', elements: [line(linkTo(link.url, link.text))] })
  return blocks
}

/** An acknowledgement that comes too late throws; what was decided stands, and the rest still has to be told. */
export async function inTime(acknowledged: Promise<void>, log: Log): Promise<void> {
  await acknowledged.catch((error) => log.warn('slack click acknowledged too late', { error: errorName(error) }))
}
