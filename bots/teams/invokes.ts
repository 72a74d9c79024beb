/**
 * A click, an opened or submitted dialog and a search: which feature answers it, and the answer in the form that Teams
 * draws. A fault ends as a sentence to the person, never as a click that seems to have worked.
 *
 * learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/work-with-universal-actions-for-adaptive-cards
 * learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/task-modules/task-modules-bots
 * learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/dynamic-search
 */
import { isObject, type JsonObject, type JsonValue } from '../../src/json/value.ts'
import type { Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { failureOf, NOT_UNDERSTOOD } from '../chat/private-answer.ts'
import type { Asked, DialogAnswer, ExecuteAnswer, Feature } from './feature.ts'

export interface Invoke {
  readonly name: string | null
  readonly value: JsonObject
}

/** Teams shows at most 15 at a time: learn.microsoft.com/…/cards/dynamic-search, `top`. */
const CHOICES_MAX = 15
const ADAPTIVE_CARD = 'application/vnd.microsoft.card.adaptive'
/** As Teams marks what it sends for a card's `refresh`. */
const AUTOMATIC = 'automatic'
/** Of a name that no feature has. */
const UNKNOWN = { kind: 'message', text: NOT_UNDERSTOOD.message ?? '' } as const

/** Asking the same again changes nothing, so that it may be answered again. */
export function isQuestion({ name, value }: Invoke): boolean {
  if (name === 'adaptiveCard/action') return value.trigger === AUTOMATIC
  return name === 'task/fetch' || name === 'composeExtension/fetchTask' || name === 'application/search'
}

/** Null: nothing of ours sends that. */
export async function answerInvoke(
  { name, value }: Invoke,
  asked: Asked,
  parts: { readonly features: readonly Feature[]; readonly log: Log },
): Promise<JsonObject | null> {
  const { features, log } = parts
  switch (name) {
    case 'adaptiveCard/action': {
      return executed(await guarded(() => execute(features, asked, value), log))
    }
    case 'task/fetch':
    case 'task/submit': {
      const data = objectIn(value, 'data')
      const verb = name === 'task/fetch' ? 'openDialog' : 'submitDialog'
      return dialog(await guarded(() => inDialog(features, asked, { verb, name: textIn(data, 'dialog'), data }), log))
    }
    case 'composeExtension/fetchTask':
    case 'composeExtension/submitAction': {
      const verb = name === 'composeExtension/fetchTask' ? 'openDialog' : 'submitDialog'
      const about = { verb, name: textIn(value, 'commandId'), data: objectIn(value, 'data') } as const
      return dialog(await guarded(() => inDialog(features, asked, about), log))
    }
    case 'application/search':
      return found(await search(features, asked, value).catch((error) => failed(error, log)))
    default:
      return null
  }
}

export function sentence(name: string | null, text: string): JsonObject {
  const message = { kind: 'message', text } as const
  if (name === 'adaptiveCard/action') return executed(message)
  return name === 'application/search' ? found([]) : dialog(message)
}

async function execute(features: readonly Feature[], asked: Asked, value: JsonObject): Promise<ExecuteAnswer> {
  const action = objectIn(value, 'action')
  const verb = textIn(action, 'verb')
  const feature = featureOf(features, verb)
  if (feature?.execute === undefined) return UNKNOWN
  // Nobody clicked: whoever only looks at a card, which anyone may have made, must not decide by it.
  if (value.trigger === AUTOMATIC && feature.refreshes?.includes(verb) !== true) return UNKNOWN
  return feature.execute(asked, verb, objectIn(action, 'data'))
}

async function inDialog(
  features: readonly Feature[],
  asked: Asked,
  about: { readonly verb: 'openDialog' | 'submitDialog'; readonly name: string; readonly data: JsonObject },
): Promise<DialogAnswer> {
  const feature = featureOf(features, about.name)
  const answer = feature?.[about.verb]?.(asked, about.name, about.data)
  return answer ?? UNKNOWN
}

async function search(features: readonly Feature[], asked: Asked, value: JsonObject) {
  const dataset = textIn(value, 'dataset')
  const query = { text: textIn(value, 'queryText'), data: objectIn(value, 'data') }
  return (await featureOf(features, dataset)?.choices?.(asked, dataset, query)) ?? []
}

/** The longest prefix that fits. */
export function featureOf(features: readonly Feature[], name: string): Feature | null {
  const fitting = features.filter(({ prefix }) => name.startsWith(prefix))
  return fitting.sort((one, other) => other.prefix.length - one.prefix.length)[0] ?? null
}

async function guarded<Answer>(
  work: () => Promise<Answer>,
  log: Log,
): Promise<Answer | { readonly kind: 'message'; readonly text: string }> {
  try {
    return await work()
  } catch (error) {
    log.error('teams click failed', { channel: 'teams', error: errorName(error) })
    return { kind: 'message', text: failureOf(error) }
  }
}

/** Typing on asks again; there is no place for a sentence. */
function failed(error: unknown, log: Log): readonly never[] {
  log.error('teams search failed', { channel: 'teams', error: errorName(error) })
  return []
}

// ---- the forms

function executed(answer: ExecuteAnswer): JsonObject {
  return answer.kind === 'card'
    ? { statusCode: 200, type: ADAPTIVE_CARD, value: answer.card }
    : { statusCode: 200, type: 'application/vnd.microsoft.activity.message', value: answer.text }
}

function dialog(answer: DialogAnswer): JsonObject {
  switch (answer.kind) {
    case 'close':
      return {}
    case 'message':
      return { task: { type: 'message', value: answer.text } }
    case 'dialog': {
      const { title, size = 'medium' } = answer
      const card = { contentType: ADAPTIVE_CARD, content: answer.card }
      return { task: { type: 'continue', value: { title, height: size, width: size, card } } }
    }
  }
}

function found(choices: readonly { readonly title: string; readonly value: string }[]): JsonObject {
  const results = choices.slice(0, CHOICES_MAX).map(({ title, value }): JsonValue => ({ title, value }))
  return { statusCode: 200, type: 'application/vnd.microsoft.search.searchResponse', value: { results } }
}

function objectIn(value: JsonObject, name: string): JsonObject {
  const found = value[name]
  return isObject(found) ? found : {}
}

function textIn(value: JsonObject, name: string): string {
  const found = value[name]
  return typeof found === 'string' ? found : ''
}
