/** A grant is taken back from its card or from a person's home, and nowhere differently. */
import type { GrantId } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { AccessDesk } from '../../src/ports.ts'
import { done, type PrivateAnswer, refused } from './private-answer.ts'

/** `access` is null where grants are taken back elsewhere. The desk decides who may. */
export async function revokeGrant(
  access: Pick<AccessDesk, 'revoke'> | null,
  order: { readonly grantId: GrantId; readonly by: Reviewer },
): Promise<PrivateAnswer> {
  if (access === null) return refused('Nothing can be revoked here. An operator can: countersign grants revoke.')
  const outcome = await access.revoke(order)
  return outcome.ok ? done('Revoked: its calls ask again from now on.') : refused(outcome.message)
}
