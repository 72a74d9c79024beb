/**
 * Kinds of fields that the settings and the policy share. Each check says what is wrong and how to cure it, and
 * never repeats the value: what was mistyped may be a secret in the wrong place.
 *
 * A number or a switch may come as text, because `${NAME}` is always text.
 */
import { z } from 'zod'
import { type DurationBounds, parseDuration } from './duration.ts'
import { type Path, type RefusedKeys, say, sayUnknownKeys } from './problems.ts'

/** Runs although fields of the object are wrong or missing, so that every problem comes at once: trust no field. */
type Check = (value: Readonly<Record<string, unknown>>, add: (path: Path, message: string) => void) => void

/** An object whose unknown keys are problems of their own, with the nearest known key as the cure. */
export function strict<Shape extends z.ZodRawShape>(
  shape: Shape,
  options: { readonly refused?: RefusedKeys; readonly check?: Check } = {},
) {
  const { refused = {}, check } = options
  const known = Object.keys(shape)
  const object = z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return sayUnknownKeys(issue.keys as string[], known, refused)
      return expected(issue.input, 'keys and values', `Known here: ${known.join(', ')}.`)
    },
  })
  if (check === undefined) return object
  return object.superRefine(
    (value, context) => check(value, (path, message) => context.addIssue({ code: 'custom', path: [...path], message })),
    { when: ({ value }) => typeof value === 'object' && value !== null },
  )
}

/** Names → things of one kind, in the order of the file. */
export function named<Value extends z.ZodType>(name: RegExp, nameCure: string, value: Value, example: string) {
  return z
    .record(z.string(), value, {
      error: (issue) => expected(issue.input, 'names and values', `Write it like ${example}.`),
    })
    .superRefine(
      (record, context) => {
        for (const key of Object.keys(record)) {
          if (!name.test(key)) context.addIssue({ code: 'custom', path: [key], message: say('not a name', nameCure) })
        }
      },
      { when: ({ value: record }) => typeof record === 'object' && record !== null },
    )
}

/** Text that is not empty. */
export function text(example: string) {
  return sentence(`Write it like ${example}.`)
}

function sentence(cure: string) {
  return z.string({ error: (issue) => expected(issue.input, 'text', cure) }).min(1, { error: say('is empty', cure) })
}

/** Text that may be empty: `${NAME:-}` for what is not set. */
export function optionalText(example: string) {
  return z.string({ error: (issue) => expected(issue.input, 'text', `Write it like ${example}.`) })
}

export function matching(pattern: RegExp, what: string, cure: string) {
  return sentence(cure).refine((value) => pattern.test(value), { error: say(`is not ${what}`, cure) })
}

export function choice<const Values extends readonly [string, ...string[]]>(...values: Values) {
  return z.enum(values, {
    error: (issue) => expected(issue.input, `one of ${values.join(', ')}`, `Choose one of ${values.join(', ')}.`),
  })
}

export function flag() {
  return z.preprocess(
    (value) => (value === 'true' ? true : value === 'false' ? false : value),
    z.boolean({ error: (issue) => expected(issue.input, 'true or false', 'Write true or false.') }),
  )
}

export function integer(bounds: { readonly min: number; readonly max: number; readonly unit: string }) {
  const cure = `Write a whole number from ${bounds.min} to ${bounds.max}, in ${bounds.unit}.`
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
    z
      .number({ error: (issue) => expected(issue.input, 'a number', cure) })
      .refine((value) => Number.isInteger(value) && value >= bounds.min && value <= bounds.max, {
        error: say('is out of bounds', cure),
      }),
  )
}

/** → milliseconds. */
export function duration(bounds: DurationBounds) {
  return z
    .union([z.string(), z.number()], { error: (issue) => expected(issue.input, 'a duration', 'Write one like 15m.') })
    .transform((value, context) => {
      const parsed = parseDuration(String(value), bounds)
      if (parsed.ok) return parsed.ms
      context.addIssue({ code: 'custom', message: say(parsed.message, parsed.cure) })
      return z.NEVER
    })
}

/** One, or a list of them that is not empty. → list */
export function oneOrMore<Item extends z.ZodType>(item: Item, max: number) {
  return z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    list(item, max).min(1, { error: say('is an empty list', 'Name at least one, or leave the key out.') }),
  )
}

export function list<Item extends z.ZodType>(item: Item, max: number) {
  return z
    .array(item, {
      error: (issue) => expected(issue.input, 'a list', 'Write it as [one, two], or as lines that start with a dash.'),
    })
    .max(max, { error: say(`has more than ${max} entries`, `Keep it to ${max}.`) })
}

/** An address as people write it: one @ between things without spaces. → lower case */
export function email() {
  return text('alice@example.com')
    .refine(isEmail, { error: say('is not an e-mail address', 'Write one like alice@example.com.') })
    .transform((value) => value.toLowerCase())
}

/** RFC 5321 §4.5.3.1.3: 254 characters. Bars divide ids; see PrincipalId. */
export function isEmail(value: string): boolean {
  return value.length <= 254 && /^[^\s@|]+@[^\s@|]+$/.test(value)
}

function expected(input: unknown, what: string, cure: string): string {
  return input === undefined || input === null ? say('is missing', `Add it. ${cure}`) : say(`must be ${what}`, cure)
}
