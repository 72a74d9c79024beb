/**
 * Buttons. An Action.Execute answers with the person's own view of the card; it can't open a dialog, so that what needs
 * one is an Action.Submit of the kind that fetches it (learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/
 * task-modules/task-modules-bots). Their titles are words of ours, always.
 */
import type { JsonObject } from '../../src/json/value.ts'
import type { Action, ActionSet, CardElement, Execute, Inert, ShowCard, Submit, TextInput } from './card-elements.ts'
import { ACTIONS_MAX } from './limits.ts'

type Style = 'primary' | 'danger' | null

const STYLES = { primary: 'positive', danger: 'destructive' } as const

function looks(style: Style) {
  return style === null ? {} : { style: STYLES[style] }
}

export function execute(title: Inert, verb: string, data: JsonObject, style: Style = null): Execute {
  return { type: 'Action.Execute', title, verb, data, ...looks(style) }
}

/** On a card. */
export function opensDialog(title: Inert, dialog: string, data: JsonObject, style: Style = null): Submit {
  return { type: 'Action.Submit', title, data: { msteams: { type: 'task/fetch' }, dialog, ...data }, ...looks(style) }
}

/** In a dialog: submits it, or leads to another one. */
export function inDialog(title: Inert, dialog: string, data: JsonObject, style: Style = null): Submit {
  return { type: 'Action.Submit', title, data: { dialog, ...data }, ...looks(style) }
}

/** Unfolds on the card; what is written there travels with its button. */
export function unfolds(title: Inert, input: TextInput, action: Execute): ShowCard {
  const actions: ActionSet = { type: 'ActionSet', actions: [action] }
  return { type: 'Action.ShowCard', title, card: { type: 'AdaptiveCard', body: [input, actions] } }
}

/** Further ones of a set would not be drawn. */
export function actionSets(actions: readonly Action[]): CardElement[] {
  const sets: ActionSet[] = []
  for (let from = 0; from < actions.length; from += ACTIONS_MAX) {
    sets.push({ type: 'ActionSet', actions: actions.slice(from, from + ACTIONS_MAX) })
  }
  return sets
}
