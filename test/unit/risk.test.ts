import { describe, expect, it } from 'vitest'
import { annotationsOf } from '../../src/approval/annotations.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { demandsOf, riskOf } from '../../src/approval/risk.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { anApproval } from '../support/examples.ts'

const hints = (annotations: JsonObject[string] | undefined) =>
  annotationsOf({ name: 'x', ...(annotations !== undefined && { annotations }) })

describe('what a server says of its tool', () => {
  it.each<[string, JsonObject[string] | undefined, (boolean | null)[]]>([
    ['its hints are taken', { readOnlyHint: false, destructiveHint: true, openWorldHint: true }, [false, true, true]],
    ['what it does not say is not known', {}, [null, null, null]],
    ['no annotations say nothing', undefined, [null, null, null]],
    ['what is no object says nothing', ['destructiveHint'], [null, null, null]],
    ['what is no boolean says nothing', { readOnlyHint: 'true', destructiveHint: 1 }, [null, null, null]],
    ['what is inherited says nothing', JSON.parse('{"__proto__":{"readOnlyHint":true}}'), [null, null, null]],
  ])('%s', (_sentence, annotations, [readOnly, destructive, openWorld]) => {
    expect(hints(annotations)).toEqual({ readOnly, destructive, openWorld })
  })

  it('of a tool that is not listed nothing is known', () => {
    expect(annotationsOf(null)).toBeNull()
  })
})

describe('the risk on a card', () => {
  const none = { readOnly: null, destructive: null, openWorld: null }
  it.each<[string, Approval['annotations'], string[]]>([
    ['an unknown tool is called unknown', null, ['unknown: the server doesn’t describe this tool']],
    ['silence is called silence', none, ['the server doesn’t say what it changes']],
    ['a worry is passed on', { ...none, destructive: true }, ['the server calls it destructive']],
    [
      'a worry outweighs a comfort',
      { readOnly: true, destructive: true, openWorld: null },
      ['the server calls it destructive'],
    ],
    ['a comfort is a claim', { ...none, readOnly: true }, ['the server calls it read-only, which nobody checks']],
    ['not destructive is no comfort', { ...none, destructive: false }, ['it changes things']],
    [
      'what reaches further is said too',
      { ...none, destructive: true, openWorld: true },
      ['the server calls it destructive', 'it reaches other systems'],
    ],
  ])('%s', (_sentence, annotations, expected) => {
    expect(riskOf(anApproval({ annotations }))).toEqual(expected)
  })
})

describe('what approving takes', () => {
  it.each<[string, Partial<Approval>, string[]]>([
    ['one tap of one person is nothing to say', {}, []],
    ['a quorum', { quorum: 3 }, ['3 people']],
    ['a second tap', { strength: 'confirm' }, ['a second tap']],
    ['all of it', { quorum: 2, strength: 'step_up' }, ['2 people', 'signing in for this one']],
  ])('%s', (_sentence, change, expected) => {
    expect(demandsOf(anApproval(change))).toEqual(expected)
  })
})
