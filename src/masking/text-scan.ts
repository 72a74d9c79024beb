/**
 * Where the secrets are in one text. First one pass for all keywords; then, only at a keyword, its detector's proof;
 * beside it the exact credentials. A text that hides characters behind escapes is looked at a second time without.
 */
import { type Automaton, buildAutomaton, isPlain, scan } from './automaton.ts'
import { CREDENTIAL, type Form, findForms } from './credential.ts'
import type { Detector } from './detector.ts'
import { isFolded, unfold } from './unfold.ts'

export interface NamedSpan {
  readonly start: number
  readonly end: number
  readonly detector: string
  /** Lower is more telling: names the place where several detectors meet. */
  readonly rank: number
}

export interface Scanned {
  /** In order, not overlapping. */
  readonly spans: readonly NamedSpan[]
  /** A find, a field's name or an escape was seen: only then can parsing the text as JSON show more than this did. */
  readonly mayHoldMore: boolean
}

export interface TextScanner {
  scan(text: string, forms: readonly Form[]): Scanned
}

/** No secret with a keyword is shorter: `x://a:b@`. */
const SCANNED_MIN = 8
const CREDENTIAL_RANK = -1
const NOTHING: Scanned = { spans: [], mayHoldMore: false }

export function createTextScanner(detectors: readonly Detector[]): TextScanner {
  const automaton = buildAutomaton(detectors.map((detector) => detector.keywords))
  const finder: Finder = { automaton, detectors }
  return {
    scan(text, forms) {
      const isPlainText = text.length < SCANNED_MIN || (!isFolded(text) && isPlain(automaton, text))
      if (!isPlainText) return scanClosely(finder, text, forms)
      if (forms.length === 0) return NOTHING
      const found = findCredentials(text, forms)
      return found.length === 0 ? NOTHING : { spans: merge(found), mayHoldMore: true }
    },
  }
}

interface Finder {
  readonly automaton: Automaton
  readonly detectors: readonly Detector[]
}

function scanClosely(finder: Finder, text: string, forms: readonly Form[]): Scanned {
  const seen = findPatterns(finder, text)
  const found = [...findCredentials(text, forms), ...seen.found]
  const unfolded = unfold(text)
  if (unfolded) {
    const place = (at: number) => unfolded.at[at] as number
    for (const span of [...findCredentials(unfolded.text, forms), ...findPatterns(finder, unfolded.text).found]) {
      found.push({ ...span, start: place(span.start), end: place(span.end) })
    }
  }
  return { spans: merge(found), mayHoldMore: seen.field || unfolded !== null || found.length > 0 }
}

function findCredentials(text: string, forms: readonly Form[]): NamedSpan[] {
  const found: NamedSpan[] = []
  findForms(text, forms, (span) => found.push({ ...span, detector: CREDENTIAL, rank: CREDENTIAL_RANK }))
  return found
}

function findPatterns({ automaton, detectors }: Finder, text: string): { found: NamedSpan[]; field: boolean } {
  const found: NamedSpan[] = []
  /** By detector: where its last find ended. Keywords before that place are part of it. */
  const done = detectors.map(() => 0)
  let field = false
  scan(automaton, text, ({ owner, length }, end) => {
    const detector = detectors[owner] as Detector
    const start = end - length
    field ||= detector.namesFields === true
    if (start < (done[owner] as number)) return
    const span = detector.verify(text, start, end)
    if (!span) return
    done[owner] = span.end
    found.push({ start: span.start, end: span.end, detector: detector.name, rank: owner })
  })
  return { found, field }
}

/** Overlapping finds become one that covers both, under the more telling name: nothing of either may stay. */
function merge(found: NamedSpan[]): NamedSpan[] {
  if (found.length < 2) return found
  const merged: NamedSpan[] = []
  for (const span of found.sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (!last || span.start >= last.end) merged.push(span)
    else
      merged[merged.length - 1] = {
        ...(span.rank < last.rank ? span : last),
        start: last.start,
        end: Math.max(last.end, span.end),
      }
  }
  return merged
}
