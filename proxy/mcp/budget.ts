/** How long this client waits, from what is set, seen and known of it; src/mcp/client-budget.ts decides between them. */
import type { BudgetSettings, ClientKind } from '../../src/mcp/client-budget.ts'
import { budgetOf } from '../../src/mcp/client-budget.ts'
import type { Era } from '../../src/mcp/message.ts'
import type { ClientBudgets } from '../../src/ports.ts'

export interface Budgets extends Pick<ClientBudgets, 'gaveUp'> {
  /** Milliseconds from the request's arrival until its client must have an answer; null: it waits until the deadline. */
  patienceOf(kind: ClientKind & { readonly era: Era }): number | null
}

export function createBudgets(settings: BudgetSettings, learned: ClientBudgets): Budgets {
  return {
    patienceOf: (kind) => budgetOf(kind, { settings, learnedMs: learned.learnedMs(kind) }),
    gaveUp: learned.gaveUp,
  }
}
