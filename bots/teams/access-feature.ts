/**
 * Elevated access in Teams. The dialog is opened by the compose action (or by `/`, where Teams offers it), by a button that
 * `access` answers with, and by Extend in a person's home. What is shown and what a submission does is the same in every
 * chat: bots/chat/access-asking.ts. Whatever a dialog brings back is anyone's, so that all of it is looked up anew.
 *
 * Teams waits some seconds for a dialog, and an MCP server may take longer to list its tools: then the dialog says that
 * they are being listed, and a button looks again.
 *
 * Nothing is posted to where the dialog was opened: whoever asks is told in the dialog, and the card goes where the policy
 * asks.
 */
import type { GrantId } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { AccessDesk, Log, StandingGrants } from '../../src/ports.ts'
import {
  type AccessAsking,
  type AccessProblem,
  type AccessScreen,
  createAccessAsking,
  NO_DESK,
} from '../chat/access-asking.ts'
import { ACCESS_WORDS } from '../chat/access-form.ts'
import { errorName } from '../chat/error-name.ts'
import { grantIdIn } from '../chat/ids.ts'
import type { WhoClicked } from '../chat/who-clicked.ts'
import {
  ACCESS_ASK,
  ACCESS_CHOOSE,
  ACCESS_CLOSE,
  ACCESS_DIALOG,
  ACCESS_DURATION_INPUT,
  ACCESS_EXTEND,
  ACCESS_REASON_INPUT,
  ACCESS_UPSTREAM_INPUT,
  accessDialog,
  askedDialog,
  choiceOf,
  NOTHING_WRITTEN,
  opening,
  toolsInputOf,
  upstreamOfTools,
  type Written,
} from './access-dialog.ts'
import type { CardElement } from './card-elements.ts'
import { inputIn, textIn, valueIn } from './click-data.ts'
import type { Asked, Command, DialogAnswer, Feature } from './feature.ts'
import { adaptiveCard, block, inert, words } from './text.ts'
import { WORDS } from './words.ts'

/** Of the five seconds that Teams waits, what is left for the way and for who it is. */
export const LISTING_PATIENCE_MS = 2500

export interface AccessFeatureOptions {
  /** Null: this gateway has no desk here. */
  readonly desk: Pick<AccessDesk, 'upstreams' | 'offer' | 'preview' | 'request'> | null
  readonly grants: Pick<StandingGrants, 'get'> | null
  /** Never rejects. */
  readonly whoClicked: (asked: Asked) => Promise<WhoClicked>
  readonly log: Log
  /** Left out: LISTING_PATIENCE_MS. */
  readonly patienceMs?: number
}

type Options = AccessFeatureOptions & { readonly asking: AccessAsking }

export function createAccessFeature(parts: AccessFeatureOptions): Feature {
  const { desk, grants, log } = parts
  const options =
    desk === null
      ? null
      : { ...parts, asking: createAccessAsking({ desk, grants, channel: 'teams', words: WORDS, log }) }
  const withDesk = (work: (options: Options) => Promise<DialogAnswer>): Promise<DialogAnswer> =>
    options === null ? Promise.resolve({ kind: 'message', text: NO_DESK }) : work(options)
  return {
    prefix: ACCESS_DIALOG,
    openDialog: (asked, name, data) => withDesk((ready) => open(ready, asked, name, data)),
    submitDialog: (asked, name, data) => withDesk((ready) => submit(ready, asked, name, data)),
    async choices(asked, name, { text }) {
      const upstream = upstreamOfTools(name)
      if (options === null || upstream === null) return []
      const found = await options.asking.find(await options.whoClicked(asked), upstream, text)
      return found.map(choiceOf)
    },
  }
}

/** A message can't open a dialog, a button can. In a channel whoever presses it asks for themselves. */
export const accessCommand: Command = {
  name: 'access',
  usage: '[MCP server]',
  does: 'asks for elevated access for your agents',
  async run(_asked, { text }) {
    const title = inert(ACCESS_WORDS.title)
    const body: CardElement[] = [
      block(words`You choose an MCP server, its tools, for how long, and say what for.`),
      {
        type: 'ActionSet',
        actions: [opening(words`${title}…`, { upstream: text.slice(0, NAME_MAX) || null })],
      } as const,
    ]
    return { message: null, card: adaptiveCard({ body, fallbackText: words`This client draws no cards.` }) }
  },
}

/** Longer than any MCP server is called in the settings. UTF-16 units. */
const NAME_MAX = 100

// ---- opening

async function open(options: Options, asked: Asked, name: string, data: JsonObject): Promise<DialogAnswer> {
  if (name === ACCESS_EXTEND) {
    const grantId = grantIdIn(valueIn(data, 'grant'))
    return grantId === null ? notOurs(options) : show(options, asked, { grantId }, NOTHING_WRITTEN, null)
  }
  if (name !== ACCESS_DIALOG) return notOurs(options)
  return show(options, asked, { isAgain: false }, { ...NOTHING_WRITTEN, upstream: textIn(data, 'upstream') }, null)
}

function notOurs({ asking }: Options): DialogAnswer {
  return { kind: 'message', text: asking.notUnderstood.message }
}

type Which = { readonly grantId: GrantId } | { readonly isAgain: boolean }

/** What was written is put back. */
async function show(
  options: Options,
  asked: Asked,
  which: Which,
  written: Written,
  problem: AccessProblem | null,
): Promise<DialogAnswer> {
  const screen = await screenFor(options, asked, which, written).catch((error: unknown) => {
    options.log.error('teams dialog for access failed', { channel: 'teams', error: errorName(error) })
    return options.asking.failed(error)
  })
  return accessDialog(screen, { written, problem })
}

async function screenFor(options: Options, asked: Asked, which: Which, written: Written): Promise<AccessScreen> {
  const { asking, patienceMs = LISTING_PATIENCE_MS } = options
  const who = await options.whoClicked(asked)
  if ('grantId' in which) return asking.extend(who, which.grantId)
  return soonEnough(patienceMs, (meanwhile) => asking.choose(who, { ...written, isAgain: which.isAgain }, meanwhile))
}

/** What can be shown before, where the rest isn't there in time. */
async function soonEnough(
  patienceMs: number,
  work: (meanwhile: (screen: AccessScreen) => Promise<void>) => Promise<AccessScreen>,
): Promise<AccessScreen> {
  let timer: NodeJS.Timeout | undefined
  try {
    // Of the one that loses nothing is heard, and a button asks again.
    return await new Promise<AccessScreen>((resolve, reject) => {
      const meanwhile = async (screen: AccessScreen) => {
        timer = setTimeout(resolve, patienceMs, screen)
      }
      work(meanwhile).then(resolve, reject)
    })
  } finally {
    clearTimeout(timer)
  }
}

// ---- submitting

/** The compose action brings its own name, whichever button was pressed; the button's is in its data. */
async function submit(options: Options, asked: Asked, name: string, data: JsonObject): Promise<DialogAnswer> {
  const written = writtenIn(data)
  switch (textIn(data, 'dialog') ?? name) {
    case ACCESS_CLOSE:
      return { kind: 'close' }
    case ACCESS_CHOOSE:
      return show(options, asked, { isAgain: isListed(data, written) }, written, null)
    case ACCESS_ASK:
      return ask(options, asked, written, data)
    default:
      return notOurs(options)
  }
}

async function ask(options: Options, asked: Asked, written: Written, data: JsonObject): Promise<DialogAnswer> {
  const extended = valueIn(data, 'extends')
  const grantId = grantIdIn(extended)
  if (extended !== null && grantId === null) return notOurs(options)
  const done = await options.asking.submit(() => options.whoClicked(asked), { ...written, extends: grantId })
  if (done.ok) return askedDialog(done)
  return show(options, asked, grantId === null ? { isAgain: isListed(data, written) } : { grantId }, written, done)
}

/** Its tools were listed for this dialog already, or are being listed. */
function isListed(data: JsonObject, { upstream }: Written): boolean {
  return upstream !== null && textIn(data, 'listed') === upstream
}

function writtenIn(data: JsonObject): Written {
  const upstream = textIn(data, ACCESS_UPSTREAM_INPUT)
  const tools = upstream === null ? null : textIn(data, toolsInputOf(upstream))
  return {
    upstream: upstream === '' ? null : upstream,
    // Several are joined by commas: adaptivecards.io/explorer/Input.ChoiceSet.html. No value has one, see toolValue.
    tools: tools === null ? [] : tools.split(',').filter((value) => value !== ''),
    duration: textIn(data, ACCESS_DURATION_INPUT) ?? undefined,
    reason: inputIn(data, ACCESS_REASON_INPUT) ?? '',
  }
}
