/**
 * A rule's `approval:` block → the terms by which people are asked, checked against what the settings name and against
 * itself. Fails closed: what would quietly ask nobody, or less than the rule seems to demand, is refused with a cure.
 */
import type { z } from 'zod'
import { formatDuration } from '../config/duration.ts'
import { isEmail } from '../config/fields.ts'
import { type Path, say, suggestion } from '../config/problems.ts'
import type { approvalBlock } from './approval-block.ts'
import type { ApprovalTerms, ChannelName, TermsStep, WorkingHours } from './decision.ts'
import { isRoom, placeIn, placesOf } from './place.ts'

/** What the settings have that a rule may name or demand. */
export interface ApprovalSurroundings {
  readonly groups: readonly string[]
  readonly channels: readonly ChannelName[]
  /** Named workspaces, as `slack/acme`, besides each channel's first. */
  readonly workspaces?: readonly string[]
  /** Whether reviewers can sign in at the gateway. */
  readonly canStepUp?: boolean
}

export type ApprovalBlock = z.output<typeof approvalBlock>

/** `path` is within the block. */
type Add = (path: Path, message: string) => void

export function approvalTerms(block: ApprovalBlock, surroundings: ApprovalSurroundings, add: Add): ApprovalTerms {
  checkNames(block, surroundings, add)
  checkTimes(block, add)
  const { from, quorum, deadline: deadlineMs, use_within: useWithinMs, strength, read_all: readAll } = block
  if (strength === 'step_up' && surroundings.canStepUp === false) {
    const cure = 'Configure signIn for an issuer in identity.issuers, or choose confirm.'
    add(['strength'], say('no reviewer can sign in at the gateway', cure))
  }
  const shown = shownIn(block)
  return {
    from,
    quorum,
    deadlineMs,
    useWithinMs,
    ...shown,
    strength,
    readAll,
    allowForMs: [...new Set(block.allow_for)].sort((a, b) => a - b),
    acceptsGrants: acceptsGrants(block, add),
    steps: stepsOf(
      block,
      { ...shown, channels: shown.channels.length === 0 ? surroundings.channels : shown.channels },
      add,
    ),
    hours: hoursOf(block),
  }
}

function checkNames(block: ApprovalBlock, surroundings: ApprovalSurroundings, add: Add): void {
  const groups = (names: readonly string[], path: Path) => {
    for (const [at, name] of names.entries()) {
      if (isEmail(name) || surroundings.groups.includes(name)) continue
      add([...path, at], say(`unknown group ${name}`, suggestion(name, surroundings.groups)))
    }
  }
  const places = (names: readonly string[], path: Path) => {
    for (const [at, name] of names.entries()) checkPlace(name, surroundings, (message) => add([...path, at], message))
  }
  groups(block.from, ['from'])
  places(block.channel, ['channel'])
  groups(block.hours?.otherwise ?? [], ['hours', 'otherwise'])
  for (const [at, { from = [], channel = [] }] of block.escalate.entries()) {
    groups(from, ['escalate', at, 'from'])
    places(channel, ['escalate', at, 'channel'])
  }
}

function checkPlace(
  name: string,
  { channels, workspaces = [] }: ApprovalSurroundings,
  add: (message: string) => void,
): void {
  const place = placeIn(name)
  if (place === null) return
  const { channel, workspace } = place
  const named = `${channel}/${workspace}`
  if (!channels.includes(channel)) add(say(`unknown channel ${channel}`, suggestion(channel, channels)))
  else if (workspace !== null && !workspaces.includes(named)) {
    const none = 'Name it in the settings, in channels.slack.workspaces.'
    add(say(`unknown workspace ${named}`, workspaces.length === 0 ? none : suggestion(named, workspaces)))
  }
}

function checkTimes({ deadline, remind, escalate, hours }: ApprovalBlock, add: Add): void {
  const cure = `The deadline is ${formatDuration(deadline)}: choose a shorter time, or a later deadline.`
  const late = say('comes when the deadline has passed', cure)
  for (const [at, after] of remind.entries()) if (after >= deadline) add(['remind', at], late)
  for (const [at, { after }] of escalate.entries()) if (after >= deadline) add(['escalate', at, 'after'], late)
  if (hours !== undefined && hours.to <= hours.from) {
    const within = 'Give hours within one day; whoever is to be asked in the others stands in otherwise.'
    add(['hours', 'to'], say('is not after from', within))
  }
}

/**
 * A standing grant passes calls without a card, so it would undo what a rule demands beyond one tap. Where a rule demands
 * more, its author has to say that grants count.
 */
function acceptsGrants({ accepts_grants, allow_for, strength, quorum, read_all }: ApprovalBlock, add: Add): boolean {
  const isOneTap = strength === 'click' && quorum === 1 && !read_all
  const accepts = accepts_grants ?? isOneTap
  if (allow_for.length > 0 && !accepts) {
    const why = accepts_grants === false ? 'accepts_grants is false' : 'the rule demands more than one tap'
    const cure = 'Write accepts_grants: true if later calls may pass without being asked about, or leave allow_for out.'
    add(['allow_for'], say(`would pass nothing: ${why}`, cure))
  }
  return accepts
}

function shownIn({ channel }: ApprovalBlock): Pick<ApprovalTerms, 'channels' | 'rooms'> {
  const places = [...new Set(channel)].flatMap((text) => {
    const place = placeIn(text)
    return place === null ? [] : [{ text, place }]
  })
  const withRooms = new Set(places.filter(({ place }) => isRoom(place)).map(({ place }) => place.channel))
  return {
    channels: [...new Set(places.map(({ place }) => place.channel))],
    // The channel's own place too, where it is named beside its rooms.
    rooms: places.filter(({ place }) => withRooms.has(place.channel)).map(({ text }) => text),
  }
}

type Shown = Pick<ApprovalTerms, 'channels' | 'rooms'>

/** The deadline's order: an escalation adds to where the ones before it have brought the card. */
function stepsOf({ from, hours, remind, escalate }: ApprovalBlock, shown: Shown, add: Add): readonly TermsStep[] {
  const reminders = [...new Set(remind)].map((afterMs): TermsStep => ({ type: 'remind', afterMs }))
  let rooms = shown.rooms
  const inOrder = [...escalate.entries()].sort(([, a], [, b]) => a.after - b.after)
  const escalations = inOrder.map(([at, step]): TermsStep => {
    const before = { channels: shown.channels, rooms }
    const more = roomsAdded(before, step.channel ?? [])
    rooms = [...rooms, ...more]
    const isForAnyone = from.length === 0 && hours === undefined
    if (step.from !== undefined && isForAnyone) {
      const cure = 'Name from in the rule, or escalate to a channel alone.'
      add(['escalate', at, 'from'], say('adds nobody: this rule lets anyone decide already', cure))
    } else if (more.length === 0 && hours === undefined && (step.from ?? []).every((name) => from.includes(name))) {
      add(['escalate', at], say('adds nobody and no room that is not asked before', 'Name others, or write remind:.'))
    }
    return { type: 'escalate', afterMs: step.after, from: step.from ?? [], rooms: more }
  })
  return [...reminders, ...escalations].sort((a, b) => a.afterMs - b.afterMs)
}

/** A channel that shows it in its own place alone goes on doing so when rooms of it are added: so that place is added too. */
function roomsAdded(before: Shown, places: readonly string[]): readonly string[] {
  const known = placesOf(before)
  const more = [...new Set(places)].filter((place) => !known.includes(place))
  const own = known.filter(
    (place) => !before.rooms.includes(place) && more.some((added) => placeIn(added)?.channel === place),
  )
  return [...own, ...more]
}

function hoursOf({ hours }: ApprovalBlock): WorkingHours | null {
  if (hours === undefined) return null
  const { days, from: fromMinute, to: toMinute, zone, otherwise } = hours
  return { days, fromMinute, toMinute, zone, otherwise }
}
