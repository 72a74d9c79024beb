/**
 * Adaptive Cards 1.5, as far as Teams draws them and we use them.
 * adaptivecards.io/explorer; learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference
 */
import type { JsonValue } from '../../src/json/value.ts'

export interface AdaptiveCard {
  readonly type: 'AdaptiveCard'
  readonly version: '1.5'
  readonly [member: string]: JsonValue
}
