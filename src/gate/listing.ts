/**
 * What an agent is told that an upstream has: only what policy could ever let this principal use, and of what waits
 * for a person, that it waits, so that an agent plans for it. Lists are made for agents' sake and guard nothing: each
 * call is judged, whatever a list said.
 *
 * An answer is changed as a value that shares all that stayed (json/splice.ts writes it into the text), so that
 * entries keep their bytes, and an answer that policy has nothing to say about keeps all of them.
 */
import { GatewayError } from '../errors.ts'
import { REMOVED } from '../json/splice.ts'
import { isObject, type JsonObject, type JsonValue } from '../json/value.ts'
import { eraOf, META_REASON, STREAM_METHOD } from '../mcp/message.ts'
import type { Outlook, OutlookInput, Policy } from '../policy/decision.ts'
import { TASKS_EXTENSION } from '../task/task.ts'
import type { Call } from './call.ts'

/**
 * Our key in a listed tool's `_meta`: `{ effect: 'require_approval', when: 'always' | 'sometimes', reason: META_REASON }`,
 * the last being the key of a call's own `_meta` under which its program may tell people what the call is for. Programs
 * write `_meta`; models don't, so that it would only make their descriptions longer.
 */
export const META_POLICY = 'dev.countersign/policy'
/**
 * How long a list may be kept that policy changed, in milliseconds. Policy may be another after a restart, and no
 * list_changed tells of that. What an upstream gives is kept where it is shorter.
 */
export const LIST_TTL_MS_MAX = 5 * 60_000

/** For models: what to expect, in the words of the answer that a held call gets. */
const HELD_SENTENCES = {
  always: "Calls wait for a person's approval.",
  sometimes: "Some calls wait for a person's approval.",
} as const

export interface ListingOptions {
  readonly policy: Pick<Policy, 'outlook' | 'canHold'>
  /** Whether this gateway answers held calls with tasks, where the client knows them. */
  readonly tasks: boolean
}

type ListingCall = Pick<Call, 'upstream' | 'method' | 'principal' | 'arguments'>

/** One JSON-RPC message, masked, to what the agent gets; the same value where nothing changes. */
export interface Shape {
  /** An answer that is no JSON can't be read, so it is withheld. */
  readonly withholdsOther: boolean
  apply(message: JsonValue): JsonValue
}

interface List {
  /** The member of `result` that holds the entries, and their member by which they are used. */
  readonly entries: string
  readonly key: string
  /** The call that an entry is listed for. */
  readonly asked: (key: string) => Pick<OutlookInput, 'method' | 'tool' | 'params'>
}

const LISTS: ReadonlyMap<string, List> = new Map<string, List>([
  [
    'tools/list',
    { entries: 'tools', key: 'name', asked: (name) => ({ method: 'tools/call', tool: name, params: {} }) },
  ],
  [
    'prompts/list',
    { entries: 'prompts', key: 'name', asked: (name) => ({ method: 'prompts/get', tool: null, params: { name } }) },
  ],
  [
    'resources/list',
    { entries: 'resources', key: 'uri', asked: (uri) => ({ method: 'resources/read', tool: null, params: { uri } }) },
  ],
  [
    'resources/templates/list',
    {
      entries: 'resourceTemplates',
      key: 'uriTemplate',
      // What a template is filled with, nobody knows.
      asked: () => ({ method: 'resources/read', tool: null, params: {} }),
    },
  ],
])

/** Null where every answer to this call is handed on as it is. */
export function shapeOf(options: ListingOptions, call: ListingCall): Shape | null {
  const list = LISTS.get(call.method)
  if (list !== undefined) {
    const isModern = isObject(call.arguments) && eraOf(call.arguments) === 'modern'
    const listed = (result: JsonObject) => filtered(options, call, list, result)
    return ofResult(isModern ? (result) => privately(result, listed(result)) : listed, true)
  }
  switch (call.method) {
    case 'resources/read':
      return ofResult((result) => (typeof result.cacheScope === 'string' ? notShared(result) : result), false)
    case STREAM_METHOD:
      return ofResult((result) => replayed(options, call, result), false)
    case 'server/discover':
      return options.tasks && options.policy.canHold(call.upstream) ? ofResult(withTasks, false) : null
    default:
      return null
  }
}

/** Notifications, requests of the server's and errors pass. */
function ofResult(change: (result: JsonObject) => JsonObject, withholdsOther: boolean): Shape {
  const apply = (message: JsonValue): JsonValue => {
    if (Array.isArray(message)) return changedArray(message, message.map(apply))
    if (!isObject(message) || message.method !== undefined || !isObject(message.result)) return message
    return withMember(message, 'result', change(message.result))
  }
  return { withholdsOther, apply }
}

/** A legacy client that resumes its stream gets the answers that it missed there, to whatever it had asked. */
function replayed(options: ListingOptions, call: ListingCall, result: JsonObject): JsonObject {
  let changed = result
  for (const list of LISTS.values()) {
    if (Array.isArray(changed[list.entries])) changed = filtered(options, call, list, changed)
  }
  return changed
}

function filtered(options: ListingOptions, call: ListingCall, list: List, result: JsonObject): JsonObject {
  const entries = result[list.entries]
  if (entries === undefined) return result
  if (!Array.isArray(entries)) {
    const message = `The MCP server's answer was withheld: result.${list.entries} is not an array.`
    throw new GatewayError('upstream_bad_answer', message)
  }
  const shown = entries.map((entry) => shownEntry(options, call, list, entry))
  return shown.every((entry, index) => entry === entries[index]) ? result : withMember(result, list.entries, shown)
}

function shownEntry({ policy }: ListingOptions, call: ListingCall, list: List, entry: JsonValue): JsonObject {
  if (!isObject(entry)) return REMOVED
  const key = entry[list.key]
  if (typeof key !== 'string') return REMOVED
  const { upstream, principal } = call
  const { method, tool, params } = list.asked(key)
  const toolDefinition = tool === null ? null : entry
  const { possible, approval } = policy.outlook({ upstream, method, tool, params, principal, toolDefinition })
  if (!possible) return REMOVED
  return approval === 'never' ? entry : held(entry, approval)
}

function held(entry: JsonObject, when: Exclude<Outlook['approval'], 'never'>): JsonObject {
  const { description, _meta: meta } = entry
  const policy = { effect: 'require_approval', when, reason: META_REASON }
  const marked = withMember(entry, '_meta', { ...(isObject(meta) ? meta : {}), [META_POLICY]: policy })
  if (description !== undefined && typeof description !== 'string') return marked
  return withMember(marked, 'description', withSentence(description ?? '', HELD_SENTENCES[when]))
}

function withSentence(text: string, sentence: string): string {
  if (text === '' || /\s$/.test(text)) return `${text}${sentence}`
  return /[.!?:;]$/.test(text) ? `${text} ${sentence}` : `${text}. ${sentence}`
}

/**
 * MCP 2026-07-28 server/utilities/caching: a `public` result may be served to any user, by any gateway on the way. Also
 * a list that policy left whole is private, since it is not the same for every principal.
 */
function privately(given: JsonObject, listed: JsonObject): JsonObject {
  const scoped = notShared(listed)
  const { ttlMs } = scoped
  const mayBeOld = given !== listed && typeof ttlMs === 'number' && ttlMs > LIST_TTL_MS_MAX
  return mayBeOld ? withMember(scoped, 'ttlMs', LIST_TTL_MS_MAX) : scoped
}

/** A resource that a shared cache serves would be served to whom policy denies it. */
function notShared(result: JsonObject): JsonObject {
  return result.cacheScope === 'private' ? result : withMember(result, 'cacheScope', 'private')
}

/** MCP extension "tasks", "Capability Negotiation". What is no answer to server/discover stays what it is. */
function withTasks(result: JsonObject): JsonObject {
  const { capabilities } = result
  if (!isObject(capabilities)) return result
  const { extensions = {} } = capabilities
  if (!isObject(extensions) || extensions[TASKS_EXTENSION] !== undefined) return result
  const more = withMember(extensions, TASKS_EXTENSION, {})
  return withMember(result, 'capabilities', withMember(capabilities, 'extensions', more))
}

function changedArray(before: JsonValue[], after: JsonValue[]): JsonValue[] {
  return after.every((each, index) => each === before[index]) ? before : after
}

function withMember(object: JsonObject, key: string, value: JsonValue): JsonObject {
  return object[key] === value ? object : { ...object, [key]: value }
}
