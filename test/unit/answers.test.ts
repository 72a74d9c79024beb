/** What agents read: "NOT executed" only where nobody's MCP server has the call. */
import { describe, expect, it } from 'vitest'
import type { Stop } from '../../src/mcp/answers.ts'
import { stopText } from '../../src/mcp/answers.ts'
import { anApproval } from '../support/examples.ts'

const approval = anApproval({ state: 'approved' })

describe('the text of a call that was stopped', () => {
  it.each<[string, Stop]>([
    ['policy denied it', { why: 'denied_by_policy', rule: 'r1', reason: null }],
    ['a reviewer denied it', { why: 'denied_by_reviewer', approval }],
    ['nobody approved it in time', { why: 'expired', approval }],
    ['its approval was taken back', { why: 'cancelled', approval }],
  ])('says that it was not executed where %s', (_sentence, stop) => {
    expect(stopText(stop)).toContain('NOT executed')
  })

  it.each<[string, Stop]>([
    ['nobody knows whether it ran', { why: 'outcome_unknown', approval }],
    ['it ran and its answer is lost', { why: 'answer_lost', approval }],
    ['it ran and its answer was too large', { why: 'answer_not_kept', approval }],
    ['it may itself be the call that ran long ago', { why: 'answer_gone', approval }],
    ['the server has had the answer to its question before', { why: 'answered_already', approval }],
  ])('never says so where %s', (_sentence, stop) => {
    expect(stopText(stop)).not.toContain('NOT executed')
    expect(stopText(stop)).toContain(approval.id)
  })
})
