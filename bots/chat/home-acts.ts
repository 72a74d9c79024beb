/** What the buttons of a person's home do: no more than the same person could do elsewhere, through the same desks. */
import type { Approval } from '../../src/approval/approval.ts'
import type { AccessDesk, ApprovalStore, Reviews } from '../../src/ports.ts'
import { REQUESTER_CANCEL_ACTION } from './actions.ts'
import { cureOf } from './fault.ts'
import type { HomeWhere } from './home.ts'
import { approvalIdIn, grantIdIn } from './ids.ts'
import { GONE, NOT_UNDERSTOOD, type PrivateAnswer, refused, SAID_NOTHING } from './private-answer.ts'
import { actAsRequester } from './requester-clicks.ts'
import { revokeGrant } from './revoke.ts'
import type { WhoClicked } from './who-clicked.ts'

export interface HomeActsOptions {
  readonly get: ApprovalStore['get']
  readonly access: Pick<AccessDesk, 'revoke'> | null
  readonly reviews: Pick<Reviews, 'remind' | 'cancel' | 'answer'>
}

type Who = () => Promise<WhoClicked>

/** Ids come back from the chat, so anyone may have written them. What was done, the home shows. */
export interface HomeActs {
  revoke(who: Who, grantId: unknown): Promise<PrivateAnswer>
  takeBack(who: Who, approvalId: unknown): Promise<PrivateAnswer>
  /** Whoever may not review sees it in the chat too; the click decides who may. */
  review(
    approvalId: unknown,
    where: Pick<HomeWhere, 'isAskedHere'>,
  ): Promise<{ readonly approval: Approval } | { readonly answer: PrivateAnswer }>
}

export function homeFailed(error: unknown): PrivateAnswer {
  return refused(`That failed: ${cureOf(error)} Please click again.`)
}

export function createHomeActs({ get, access, reviews }: HomeActsOptions): HomeActs {
  return {
    async revoke(who, text) {
      const grantId = grantIdIn(text)
      if (grantId === null) return NOT_UNDERSTOOD
      const by = await who()
      if (!by.ok) return refused(by.message)
      const answer = await revokeGrant(access, { grantId, by: by.reviewer })
      return answer.isDone ? SAID_NOTHING : answer
    },

    async takeBack(who, text) {
      const approvalId = approvalIdIn(text)
      if (approvalId === null) return NOT_UNDERSTOOD
      return actAsRequester({ reviews, get }, { approvalId, who }, REQUESTER_CANCEL_ACTION, async () => undefined)
    },

    async review(text, where) {
      const id = approvalIdIn(text)
      const approval = id === null ? null : await get(id)
      if (approval === null) return { answer: GONE }
      return (await where.isAskedHere(approval)) ? { approval } : { answer: NOT_UNDERSTOOD }
    },
  }
}
