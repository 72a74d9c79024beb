/** How long a client is kept waiting, and what its leaving teaches. */
import { describe, expect, it } from 'vitest'
import type { BudgetSettings } from '../../src/mcp/client-budget.ts'
import { budgetOf, clientName, isSameWait, isTimeOut, learnedFrom } from '../../src/mcp/client-budget.ts'

const settings: BudgetSettings = { budgets: new Map([['patient', 900_000]]), defaultBudgetMs: 45_000 }

describe('the budget of one call', () => {
  it.each<[string, { client: string | null; hasToken: boolean; era?: 'modern'; learnedMs?: number }, number | null]>([
    ['a client without a token gets less than the SDKs’ 60 s', { client: 'agent', hasToken: false }, 45_000],
    ['so does one that never told its name', { client: null, hasToken: false }, 45_000],
    ['a client with a token waits until the deadline', { client: 'agent', hasToken: true }, null],
    ['but not one of the modern era', { client: 'agent', hasToken: true, era: 'modern' }, 45_000],
    ['unless it was seen to give up', { client: 'agent', hasToken: true, learnedMs: 48_000 }, 48_000],
    ['what was seen counts without a token too', { client: 'agent', hasToken: false, learnedMs: 96_000 }, 96_000],
    ['a client whose source is known gets its own', { client: 'goose', hasToken: false }, 270_000],
    [
      'by the beginning of its name, where the server’s is appended',
      { client: 'gemini-cli-mcp-client-files', hasToken: false },
      540_000,
    ],
    ['what was seen beats what is known', { client: 'goose', hasToken: false, learnedMs: 48_000 }, 48_000],
    ['the operator beats everything', { client: 'Patient', hasToken: false, learnedMs: 48_000 }, 900_000],
    ['also where there is a token', { client: 'patient ', hasToken: true }, 900_000],
    ['no name is a property of every object', { client: 'constructor', hasToken: false }, 45_000],
  ])('%s', (_sentence, { learnedMs, era, ...kind }, expected) => {
    expect(
      budgetOf({ ...kind, oauthClient: null, era: era ?? 'legacy' }, { settings, learnedMs: learnedMs ?? null }),
    ).toBe(expected)
  })
})

describe('what giving up after so long teaches', () => {
  it.each<[string, number, number | null]>([
    ['the SDKs’ 60 s: 48 s', 60_000, 48_000],
    ['20 s: 16 s', 20_000, 16_000],
    ['less than 20 s: nothing', 19_999, null],
    ['more than a day: nothing', 86_400_001, null],
  ])('%s', (_sentence, waited, expected) => {
    expect(learnedFrom(waited)).toBe(expected)
  })

  it('knows a time-out that repeats itself from a person who leaves', () => {
    expect(isSameWait(60_000, 61_500)).toBe(true)
    expect(isSameWait(60_000, 25_000)).toBe(false)
  })
})

describe('why a client cancels', () => {
  it.each<[string, string | null, boolean]>([
    ['the TypeScript SDK’s time-out', 'McpError: MCP error -32001: Request timed out', true],
    ['its limit in all', 'McpError: MCP error -32001: Maximum total timeout exceeded', true],
    ['the second SDK’s', 'SdkError: Request timed out', true],
    ['AbortSignal.timeout()', 'TimeoutError: The operation was aborted due to timeout', true],
    ['a Go context’s deadline', 'context deadline exceeded', true],
    ['the Rust SDK’s', 'request timeout', true],
    ['timed-out', 'the call timed-out', true],
    ['time out', 'Time out while waiting', true],
    ['an AbortController', 'AbortError: This operation was aborted', false],
    ['a Go context that was cancelled', 'context canceled', false],
    ['a person’s words', 'User requested cancellation', false],
    ['no reason', null, false],
    ['an empty one', '', false],
  ])('%s', (_sentence, reason, expected) => {
    expect(isTimeOut(reason)).toBe(expected)
  })
})

it.each<[string, string | null, string | null]>([
  ['is trimmed and in lower case', ' Claude Code ', 'claude code'],
  ['is that of the client behind mcp-remote', 'Claude Code (via mcp-remote 0.15.1)', 'claude code'],
  ['is none where it is empty', '  ', null],
  ['is none where it is too long', 'x'.repeat(129), null],
  ['is none where there is none', null, null],
])('a client’s name %s', (_sentence, claimed, expected) => {
  expect(clientName(claimed)).toBe(expected)
})
