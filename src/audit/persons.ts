/**
 * Who of those that recorded events name is one person: through however many accounts and addresses, in whatever order
 * they come. As people/reviewer.ts has it for two of them, and for all who are linked by others in between: with one
 * address somebody approved in Slack, with another in Teams, and Entra names both.
 */
import { addressesOf, type Reviewer } from '../people/reviewer.ts'

export interface Persons {
  add(reviewer: Reviewer): void
  /** The same text for the same person, once all are added. */
  of(reviewer: Pick<Reviewer, 'id'>): string
}

/** `namesMax`: ids and addresses together; those beyond are each somebody of their own, which `isFull` tells. */
export function createPersons(namesMax: number): Persons & { readonly isFull: boolean } {
  /** To another name of the same person; the last one leads to itself. */
  const towards = new Map<string, string>()
  let isFull = false
  const rootOf = (name: string): string => {
    let root = name
    for (let next = towards.get(root); next !== undefined && next !== root; next = towards.get(root)) root = next
    // Shorter for the next who asks: without it a chain could be walked for each event of a week.
    for (let at = name; at !== root; ) {
      const next = towards.get(at) ?? root
      towards.set(at, root)
      at = next
    }
    return root
  }
  return {
    get isFull() {
      return isFull
    },
    add(reviewer) {
      for (const name of [reviewer.id, ...addressesOf(reviewer)]) {
        if (!towards.has(name) && towards.size >= namesMax) {
          isFull = true
          continue
        }
        if (!towards.has(name)) towards.set(name, name)
        towards.set(rootOf(name), rootOf(reviewer.id))
      }
    },
    of: ({ id }) => rootOf(id),
  }
}
