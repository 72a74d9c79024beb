/**
 * Who somebody is to an approval that is shown to them alone. A convenience of whoever looks: it leaves out buttons that
 * would be refused, and decides nothing.
 */
import type { Approval } from '../../src/approval/approval.ts'
import { type Reviewer, samePerson } from '../../src/people/reviewer.ts'
import type { People } from '../../src/ports.ts'
import { isRequester, mayReview } from '../../src/review/review.ts'

export type Viewer =
  /** The agent acts for them, or they asked for access. */
  | 'requester'
  /** Has reviewed it already; others are waited for. */
  | 'reviewed'
  | 'reviewer'
  /** Sees it, and has no say. */
  | 'bystander'
  /** As everybody is, where nobody can be told apart from the agent's owner: whoever writes the policy has to act. */
  | 'undecidable'

/** Rejects with `directory_unavailable` where it can't be told. */
export async function viewerOf(
  approval: Approval,
  person: Reviewer,
  people: Pick<People, 'isMember'>,
): Promise<Viewer> {
  if (isRequester(approval, person)) return 'requester'
  if (approval.reviews.some(({ reviewer }) => samePerson(reviewer, person))) return 'reviewed'
  const refusal = await mayReview(approval, person, people, 'click')
  if (refusal === null) return 'reviewer'
  return refusal === 'owner_unknown' ? 'undecidable' : 'bystander'
}
