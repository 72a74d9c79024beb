/**
 * Ends grants that nobody used: a delayed job at each grant's expiry. The fence refuses an expired grant by itself
 * (grants.ts); this makes its end visible and recorded.
 *
 * Which grants are open is an index written in the step that approves, so that the job of a grant whose approver's
 * process died is added by the next reconciliation.
 */
import type { ApprovalId, GrantId } from '../src/brands.ts'
import { grantIdOf } from '../src/grant/grant.ts'
import type { Clock, Grants, Log, Recorder } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { Inbox } from './inbox.ts'
import { type JobQueue, openQueue, type RunResult, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'

const QUEUE = 'grant-revocation'
const CONCURRENCY = 8
const PAGE = 500

interface RevocationJob {
  readonly grantId: GrantId
}

export function startGrantRevocation(services: {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly grants: Grants
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
}): { close(): Promise<void> } {
  const { redis, inbox, grants, recorder, clock, log } = services
  const queue = openQueue<RevocationJob>(redis, QUEUE)
  const worker = startWorker<RevocationJob>({
    redis,
    queue: QUEUE,
    concurrency: CONCURRENCY,
    log,
    run: ({ data, attempt }) => endLeftOver({ grants, recorder, clock }, data.grantId, attempt),
  })
  const reconciler = startReconciler({ redis, name: QUEUE, log, run: () => scheduleAll(redis, queue, clock) })
  const forget = inbox.onChange((id) => {
    schedule({ grants, queue, clock }, id).catch(() => reconciler.poke())
  })
  return {
    async close() {
      forget()
      await reconciler.close()
      await worker.close()
      await queue.close()
    },
  }
}

async function schedule(
  { grants, queue, clock }: { grants: Grants; queue: JobQueue<RevocationJob>; clock: Clock },
  id: ApprovalId,
): Promise<void> {
  const grant = await grants.get(grantIdOf(id))
  if (grant?.state === 'active') await queue.add(revocationJob(grant.id, grant.expiresAt - clock.now()))
}

async function scheduleAll(redis: RedisHandle, queue: JobQueue<RevocationJob>, clock: Clock): Promise<void> {
  const { activeGrants } = approvalKeys(redis)
  for (let start = 0; ; start += PAGE) {
    const reply = await redis.call('ZRANGE', activeGrants, start, start + PAGE - 1, 'WITHSCORES')
    const flat = Array.isArray(reply) ? reply.flat().map(String) : []
    const jobs = flat.flatMap((grantId, i) =>
      i % 2 === 0 ? [revocationJob(grantId as GrantId, Number(flat[i + 1]) - clock.now())] : [],
    )
    if (jobs.length > 0) await queue.addMany(jobs)
    if (jobs.length < PAGE) return
  }
}

const revocationJob = (grantId: GrantId, delayMs: number) => ({ id: `revoke-${grantId}`, data: { grantId }, delayMs })

async function endLeftOver(
  { grants, recorder, clock }: { grants: Grants; recorder: Recorder; clock: Clock },
  id: GrantId,
  attempt: number,
): Promise<RunResult> {
  const before = await grants.get(id)
  const earlyMs = before?.state === 'active' ? before.expiresAt - clock.now() : 0
  if (earlyMs > 0) return { againInMs: earlyMs }
  const ended = await grants.end(id, 'expired')
  const grant = await grants.get(id)
  // A second attempt finds it expired already: the first one may have died before it recorded.
  if (grant?.state === 'expired' && (ended || attempt > 1)) {
    await recorder.record(
      {
        type: 'grant.ended',
        at: grant.endedAt ?? clock.now(),
        session_id: grant.sessionId,
        grant_id: id,
        approval_id: grant.approvalId,
        state: 'expired',
      },
      'written',
    )
  }
  return 'done'
}
