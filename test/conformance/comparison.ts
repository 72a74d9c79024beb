/**
 * Sets the checks of two runs side by side: the same server asked directly and through the gateway. A check that only
 * one of the runs has is a difference, too: the suite leaves checks out where an earlier one went wrong.
 */

export interface Check {
  readonly scenario: string
  readonly id: string
  readonly name: string
  /** SUCCESS, FAILURE, WARNING, SKIPPED or INFO; whatever the suite says. */
  readonly status: string
  readonly message: string | null
}

export interface Row {
  readonly scenario: string
  readonly check: string
  readonly direct: string | null
  readonly gateway: string | null
  readonly same: boolean
  /** What the suite said about each, where they differ. */
  readonly messages: readonly string[]
}

export function compare(direct: readonly Check[], gateway: readonly Check[]): readonly Row[] {
  const left = byKey(direct)
  const right = byKey(gateway)
  return [...new Set([...left.keys(), ...right.keys()])].map((key) => rowOf(left.get(key), right.get(key)))
}

export function differences(rows: readonly Row[]): readonly Row[] {
  return rows.filter(({ same }) => !same)
}

/** The suite gives one id to several cases, told apart by name, and sometimes not even by that: then by their order. */
function byKey(checks: readonly Check[]): ReadonlyMap<string, Check> {
  const keyed = new Map<string, Check>()
  const counts = new Map<string, number>()
  for (const check of checks) {
    const { scenario, id, name } = check
    const key = JSON.stringify([scenario, id, name])
    const count = counts.get(key) ?? 0
    counts.set(key, count + 1)
    keyed.set(`${key} ${count}`, check)
  }
  return keyed
}

function rowOf(direct: Check | undefined, gateway: Check | undefined): Row {
  const { scenario, id, name } = direct ?? (gateway as Check)
  const same = direct?.status === gateway?.status
  return {
    scenario,
    check: id.replaceAll(/[-_]/g, '').toLowerCase() === name.toLowerCase() ? id : `${id} (${name})`,
    direct: direct?.status ?? null,
    gateway: gateway?.status ?? null,
    same,
    messages: same ? [] : [`directly: ${said(direct)}`, `through the gateway: ${said(gateway)}`],
  }
}

function said(check: Check | undefined): string {
  if (check === undefined) return 'the check was not made'
  return check.message ?? check.status
}
