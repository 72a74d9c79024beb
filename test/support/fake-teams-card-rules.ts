/**
 * What Teams takes as an Adaptive Card: elements, actions and properties of 1.5, by the tables of Microsoft's own renderer,
 * and Teams' own rules on top. Unknown properties are ignored by clients; here they are mistakes.
 *
 * adaptivecards.io/explorer; learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference;
 * …/cards/universal-actions-for-adaptive-cards/overview
 */
import { createRequire } from 'node:module'
import type { SerializableObject } from 'adaptivecards'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'

// Its ES modules name no files that Node finds; its bundle does.
const cards = createRequire(import.meta.url)('adaptivecards/dist/adaptivecards.js') as typeof import('adaptivecards')

/** "the maximum number of users": …/cards/universal-actions-for-adaptive-cards/work-with-universal-actions-for-adaptive-cards */
export const REFRESH_USERS_MAX = 60
/** Six actions are drawn as buttons, the rest is refused: …/cards/cards-format, and hostConfig's `maxActions`. */
export const ACTIONS_MAX = 6

/** Sentences about what is wrong; none: Teams takes it. */
export function cardProblems(card: JsonValue | undefined): readonly string[] {
  if (!isObject(card) || card.type !== 'AdaptiveCard') return ['the card is no AdaptiveCard']
  const problems: string[] = []
  if (card.version !== '1.5') problems.push(`version is ${JSON.stringify(card.version)}, and Teams draws 1.5`)
  parseProblems(card, problems)
  walkCard(card, 'card', problems)
  idProblems(card, problems)
  return problems
}

/** Values that the renderer doesn't take: unknown sizes, unknown elements, elements where none may stand. */
function parseProblems(card: JsonObject, problems: string[]): void {
  const context = new cards.SerializationContext(cards.Versions.v1_5)
  new cards.AdaptiveCard().parse(card, context)
  for (let at = 0; at < context.eventCount; at += 1) {
    const { message } = context.getEventAt(at)
    if (!message.includes('"choices.data"')) problems.push(message)
  }
}

/** Members that hold more elements or actions; the renderer's tables leave them out. */
const CHILDREN: Readonly<Record<string, readonly string[]>> = {
  AdaptiveCard: ['body', 'actions', 'msteams'],
  Container: ['items'],
  Column: ['items'],
  ColumnSet: ['columns'],
  ImageSet: [],
  ActionSet: ['actions'],
  RichTextBlock: ['inlines'],
  Table: ['rows'],
  TableRow: ['cells'],
  TableCell: ['items'],
  'Action.ShowCard': ['card'],
  // …/cards/dynamic-search: Teams takes it in every version.
  'Input.ChoiceSet': ['choices.data'],
}
const OF_ANY = ['fallback']
const TYPES_WITHOUT_REGISTRY: Readonly<Record<string, new () => SerializableObject>> = {
  AdaptiveCard: cards.AdaptiveCard,
  Column: cards.Column,
  TableRow: cards.TableRow,
  TableCell: cards.TableCell,
}

function walkCard(value: JsonObject, path: string, problems: string[]): void {
  const { type } = value
  if (typeof type !== 'string') return
  const allowed = namesOf(type)
  if (allowed === null) return void problems.push(`${path}: ${type} is nothing of 1.5`)
  for (const name of Object.keys(value)) {
    if (!allowed.has(name)) problems.push(`${path}: ${type} has no ${JSON.stringify(name)} in 1.5`)
  }
  rulesOf(type, value, path, problems)
  for (const [name, child] of Object.entries(value)) {
    // Data is ours: nothing in it is drawn.
    if (DATA.includes(name)) continue
    walkValue(child, IMPLIED[name] ?? null, `${path}.${name}`, problems)
  }
}

const DATA = ['data', 'choices.data', 'msteams']
/** What may be left out where only one type can stand. */
const IMPLIED: Readonly<Record<string, string>> = { rows: 'TableRow', cells: 'TableCell' }

function walkValue(child: JsonValue, implied: string | null, path: string, problems: string[]): void {
  if (Array.isArray(child)) {
    for (const [at, one] of child.entries()) walkValue(one, implied, `${path}[${at}]`, problems)
  } else if (isObject(child)) {
    const typed = typeof child.type === 'string' || implied === null ? child : { type: implied, ...child }
    if (typed.type !== undefined) walkCard(typed, path, problems)
    else for (const [name, one] of Object.entries(child)) walkValue(one, null, `${path}.${name}`, problems)
  }
}

const names = new Map<string, ReadonlySet<string> | null>()

function namesOf(type: string): ReadonlySet<string> | null {
  const known = names.get(type)
  if (known !== undefined) return known
  const made = tableOf(type)
  names.set(type, made)
  return made
}

function tableOf(type: string): ReadonlySet<string> | null {
  const Type = typeNamed(type)
  if (Type === null) return null
  const schema = new Type().getSchema()
  const allowed = new Set([...OF_ANY, ...(CHILDREN[type] ?? [])])
  for (let at = 0; at < schema.getCount(); at += 1) {
    const { name, targetVersion } = schema.getItemAt(at)
    if (targetVersion.compareTo(cards.Versions.v1_5) <= 0) allowed.add(name)
  }
  return allowed
}

function typeNamed(type: string): (new () => SerializableObject) | null {
  const found =
    cards.GlobalRegistry.defaultElements.findByName(type) ?? cards.GlobalRegistry.defaultActions.findByName(type)
  if (found !== undefined) {
    return found.schemaVersion.compareTo(cards.Versions.v1_5) <= 0
      ? (found.objectType as unknown as new () => SerializableObject)
      : null
  }
  return TYPES_WITHOUT_REGISTRY[type] ?? null
}

type Say = (problem: string) => unknown

function rulesOf(type: string, value: JsonObject, path: string, problems: string[]): void {
  const say: Say = (problem) => problems.push(`${path}: ${problem}`)
  if (type === 'AdaptiveCard') refreshRules(value.refresh, say)
  // These are named by where they stand.
  const isNamed = /\.(?:selectAction|inlineAction|refresh\.action)$/.test(path)
  if (type.startsWith('Action.') && !isNamed && !hasText(value.title) && !hasText(value.iconUrl)) {
    say(`${type} has no title`)
  }
  if (type === 'Action.Execute' && !hasText(value.verb)) say('Action.Execute has no verb')
  if (type === 'Action.OpenUrl' && !/^https?:\/\//.test(String(value.url))) say('Action.OpenUrl has no http URL')
  if (type === 'Action.Submit') submitRules(value, say)
  if (type.startsWith('Input.') && !hasText(value.id)) say(`${type} has no id`)
  if (type === 'TextBlock' && typeof value.text !== 'string') say('TextBlock has no text')
  if (type === 'TextRun' && typeof value.text !== 'string') say('TextRun has no text')
  if ((type === 'AdaptiveCard' || type === 'ActionSet') && Array.isArray(value.actions)) {
    // "Primary" actions only: …/cards/cards-format allows more in the overflow by `mode: secondary`.
    const shown = value.actions.filter((action) => isObject(action) && action.mode !== 'secondary')
    if (shown.length > ACTIONS_MAX) say(`${shown.length} actions, and ${ACTIONS_MAX} are drawn`)
  }
}

function submitRules({ data }: JsonObject, say: Say): void {
  const teams = isObject(data) ? data.msteams : undefined
  if (teams !== undefined && !(isObject(teams) && hasText(teams.type))) say('data.msteams names no type')
}

function refreshRules(refresh: JsonValue | undefined, say: Say): void {
  if (refresh === undefined) return
  const { action, userIds = [] } = isObject(refresh) ? refresh : {}
  if (!isObject(action) || action.type !== 'Action.Execute') say('refresh has no Action.Execute')
  const ids = Array.isArray(userIds) ? userIds : [null]
  if (ids.length > REFRESH_USERS_MAX) say(`refresh.userIds names ${ids.length}, and ${REFRESH_USERS_MAX} may be`)
  // "the MRIs of users": an object id is nobody's there.
  for (const id of ids) if (!/^(?:29|8):/.test(String(id))) say(`refresh.userIds holds ${id}, which is no MRI`)
}

/** Ids of inputs name what is submitted: two of one name are one value. */
function idProblems(card: JsonObject, problems: string[]): void {
  const seen = new Set<string>()
  for (const { id, type } of everyObject(card)) {
    if (typeof id !== 'string' || typeof type !== 'string' || type.startsWith('Action.')) continue
    if (seen.has(id)) problems.push(`the id ${JSON.stringify(id)} is used twice`)
    seen.add(id)
  }
}

/** Every element and action in it, outermost first; nothing of what `data` holds. */
export function* everyObject(value: JsonValue | undefined): Generator<JsonObject> {
  if (Array.isArray(value)) for (const one of value) yield* everyObject(one)
  if (!isObject(value)) return
  if (typeof value.type === 'string') yield value
  for (const [name, child] of Object.entries(value))
    if (name !== 'data' && name !== 'msteams') yield* everyObject(child)
}

function hasText(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value !== ''
}
