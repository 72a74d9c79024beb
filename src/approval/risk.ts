/**
 * What there is to fear, and what the rule therefore asks for, in short words of ours.
 *
 * A server's hints about its tools are claims that nobody checks (MCP, ToolAnnotations: "untrusted unless they come from
 * trusted servers"). So a worry is passed on, a comfort is called a claim, and silence is called silence.
 */
import type { Approval } from './approval.ts'

export function riskOf({ access, annotations }: Approval): readonly string[] {
  if (access !== null) return ['while it lasts, calls pass without a card']
  if (annotations === null) return ['unknown: the server doesn’t describe this tool']
  const { readOnly, destructive, openWorld } = annotations
  const risks: string[] = []
  if (destructive === true) risks.push('the server calls it destructive')
  else if (readOnly === true) risks.push('the server calls it read-only, which nobody checks')
  else if (readOnly === null && destructive === null) risks.push('the server doesn’t say what it changes')
  else risks.push('it changes things')
  if (openWorld === true) risks.push('it reaches other systems')
  return risks
}

/** What approving takes beside one tap. */
export function demandsOf({ quorum, strength }: Approval): readonly string[] {
  const demands: string[] = []
  if (quorum > 1) demands.push(`${Math.trunc(quorum)} people`)
  if (strength === 'confirm') demands.push('a second tap')
  if (strength === 'step_up') demands.push('signing in for this one')
  return demands
}
