/**
 * `freeze`, `thaw` and `status`, as Teams names people: a mention comes with its owner's id, and the name beside it is
 * whatever its owner chose. Everybody in a channel reads what is answered there, so that a freeze is told (the notice
 * says as much) and what waits for one person is not.
 */
import type { TeamsSettings } from '../../src/config/settings.ts'
import { type FreezeCommandsOptions, freezeCommands, type NamedTarget } from '../chat/freeze-commands.ts'
import { callOf } from './commands.ts'
import { type Asked, type Command, type CommandWords, isPrivate } from './feature.ts'
import type { Transport } from './transport.ts'

/** The address of whom a mention is of; null: nobody knows it. */
export type AddressOf = (
  conversation: Asked['conversation'],
  person: CommandWords['mentioned'][number],
) => Promise<string | null>

export interface TeamsFreezeOptions extends FreezeCommandsOptions {
  readonly addressOf: AddressOf
}

/**
 * Of anyone in this conversation whom our tenant vouches for, guests too: their agents may be there. What another tenant
 * calls its people is whatever it chose, and would stop somebody else.
 */
export function createAddressOf({
  ours,
  transport,
}: {
  readonly ours: Pick<TeamsSettings, 'tenantId' | 'email'>
  readonly transport: Pick<Transport, 'member'>
}): AddressOf {
  return async (conversation, { mri, oid }) => {
    if (!mri.startsWith('29:')) return null
    const member = await transport.member(conversation, mri)
    // Of another person than was asked about, nothing that follows would be true.
    if (member === null || member.mri !== mri || (oid !== null && member.oid.toLowerCase() !== oid)) return null
    const isVouchedFor = member.userRole !== 'federated' && member.userRole !== 'anonymous'
    if (!isVouchedFor || member.tenantId?.toLowerCase() !== ours.tenantId) return null
    return (ours.email === 'mail' ? member.email : member.userPrincipalName) || null
  }
}

export function teamsFreezeCommands(options: TeamsFreezeOptions): readonly Command[] {
  return freezeCommands(options).map((command) => ({
    ...command,
    run: (asked, words) =>
      command.run({
        ...{ reviewer: asked.reviewer, call: callOf(asked), isPrivate: isPrivate(asked), plain },
        words: words.text,
        whois: (word) => whois(options, { asked, mentioned: words.mentioned, word }),
      }),
  }))
}

async function whois(
  { addressOf }: TeamsFreezeOptions,
  { asked, mentioned, word }: { readonly asked: Asked; readonly word: string } & Pick<CommandWords, 'mentioned'>,
): Promise<NamedTarget> {
  const number = /^(?:agent:)?<at:(\d{1,4})>[,;:]?$/i.exec(word)?.[1]
  if (number === undefined) {
    // A mention that Teams doesn't say the owner of: its name alone is no name of anybody.
    return /<\/?at\b/i.test(word) ? refused(UNCLEAR) : { kind: 'text', text: plain(word) }
  }
  const person = mentioned[Number(number)]
  const email = person === undefined ? null : await addressOf(asked.conversation, person)
  return email === null ? refused(NO_ADDRESS) : { kind: 'person', email }
}

const UNCLEAR = 'Teams does not say whom this mentions. Name the agent by its owner’s e-mail.'
const NO_ADDRESS = 'Teams shows no address of theirs in this tenant. Name the agent by its owner’s e-mail.'

function refused(message: string): NamedTarget {
  return { kind: 'refused', message }
}

/** What people type comes with HTML's own characters as entities; the ampersand's last, or `&amp;lt;` would change twice. */
function plain(text: string): string {
  return text
    .replaceAll('&nbsp;', ' ')
    .replaceAll('\u00a0', ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
}
