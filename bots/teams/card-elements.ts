/**
 * Adaptive Cards 1.5, as far as Teams draws them and we use them.
 * adaptivecards.io/explorer; learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference
 *
 * Two kinds of text, and text.ts alone makes them. `RunText` stands in a TextRun, which neither formats nor links
 * (learn.microsoft.com/adaptive-cards/authoring-cards/text-features): text from outside goes there. `Inert` may stand
 * wherever a client could read Markdown: words of ours, and text from outside whose marks were replaced. A plain string
 * fits nowhere, so that nobody can put an agent's words into a title by mistake.
 */
import type { JsonObject, JsonValue } from '../../src/json/value.ts'

export type RunText = string & { readonly __runText: true }
export type Inert = string & { readonly __inert: true }
/** What an input holds at first. */
export type InputValue = string & { readonly __inputValue: true }

export interface AdaptiveCard {
  readonly type: 'AdaptiveCard'
  readonly version: '1.5'
  readonly body: CardElement[]
  /** Drawn by clients that can't draw the card. */
  readonly fallbackText: Inert
  readonly refresh?: Refresh
  readonly [member: string]: JsonValue
}

/** Has Teams ask for each of these people's own view. */
export type Refresh = { readonly action: Execute; readonly userIds: string[] }

export type CardElement = TextBlock | RichTextBlock | Container | ActionSet | TextInput | ChoiceInput

type Spacing = 'None' | 'Small' | 'Medium' | 'Large'
/** The client's own colours, which it keeps readable in each of its themes. */
export type Color = 'Good' | 'Warning' | 'Attention'

export type TextBlock = {
  readonly type: 'TextBlock'
  readonly text: Inert
  readonly wrap: true
  readonly size?: 'Small' | 'Medium'
  readonly weight?: 'Bolder'
  readonly isSubtle?: true
  readonly color?: Color
  readonly spacing?: Spacing
  /** For screen readers. */
  readonly style?: 'heading'
}

export type RichTextBlock = {
  readonly type: 'RichTextBlock'
  readonly inlines: TextRun[]
  readonly spacing?: Spacing
  readonly separator?: true
}

export type TextRun = {
  readonly type: 'TextRun'
  readonly text: RunText
  readonly size?: 'Small' | 'Medium'
  readonly weight?: 'Bolder'
  readonly isSubtle?: true
  readonly color?: Color
  readonly fontType?: 'Monospace'
}

export type Container = {
  readonly type: 'Container'
  readonly items: CardElement[]
  readonly style?: 'emphasis' | 'good' | 'warning' | 'attention'
  readonly spacing?: Spacing
}

/** At most ACTIONS_MAX. */
export type ActionSet = { readonly type: 'ActionSet'; readonly actions: Action[]; readonly spacing?: Spacing }

export type Action = Execute | Submit | OpenUrl | ShowCard
type ActionStyle = 'positive' | 'destructive'

/** Comes back as an `adaptiveCard/action` invoke: a card in place of this one, or a sentence, for one person. */
export type Execute = {
  readonly type: 'Action.Execute'
  readonly title: Inert
  readonly verb: string
  readonly data: JsonObject
  readonly style?: ActionStyle
  /** Whether what is written elsewhere on the card travels along; if left out, it does. */
  readonly associatedInputs?: 'none'
}

/** Opens a dialog where its data says `msteams: { type: 'task/fetch' }`; within a dialog, comes back as `task/submit`. */
export type Submit = {
  readonly type: 'Action.Submit'
  readonly title: Inert
  readonly data: JsonObject
  readonly style?: ActionStyle
  readonly associatedInputs?: 'none'
}

export type OpenUrl = { readonly type: 'Action.OpenUrl'; readonly title: Inert; readonly url: string }

export type ShowCard = {
  readonly type: 'Action.ShowCard'
  readonly title: Inert
  readonly card: { readonly type: 'AdaptiveCard'; readonly body: CardElement[] }
}

export type TextInput = {
  readonly type: 'Input.Text'
  readonly id: string
  readonly label: Inert
  readonly isMultiline?: true
  readonly isRequired?: true
  readonly errorMessage?: Inert
  readonly maxLength: number
  readonly placeholder?: Inert
  readonly value?: InputValue
}

export type ChoiceInput = {
  readonly type: 'Input.ChoiceSet'
  readonly id: string
  readonly label: Inert
  readonly style: 'compact' | 'expanded' | 'filtered'
  readonly choices: { readonly title: Inert; readonly value: string }[]
  readonly isMultiSelect?: true
  readonly isRequired?: true
  readonly errorMessage?: Inert
  readonly placeholder?: Inert
  readonly value?: string
  readonly wrap?: true
  /** Titles are asked for as people type: learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/dynamic-search */
  readonly 'choices.data'?: { readonly type: 'Data.Query'; readonly dataset: string }
}
