/**
 * Copies of cards that people acted on although nobody heard that they were posted: the answer to the posting was lost and
 * the channel can't be asked. A click on such a copy proves that it is there.
 *
 *   cards:<id>   hash   <place>:seen -> where the copy stands; painting.ts takes it from there
 *
 * Only where a place's card is unknown, or being posted: else any forwarded copy would become the one that we repaint.
 */
import type { Place, SeenCards } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { CHANGES_MAX } from './approvals/store.ts'
import { defineScript, type RedisHandle } from './redis.ts'

export const postingField = (place: Place): string => `${place}:posting:card`
export const seenField = (place: Place): string => `${place}:seen`

/**
 * KEYS  1 approval  2 cards  3 cards due  4 changes
 * ARGV  1 id  2 place  3 its posting  4 its copy seen  5 the copy  6 most changes kept
 * Answers  adopted | known
 */
const SEEN = defineScript(
  'card-seen',
  `
if redis.call('EXISTS', KEYS[1]) == 0 then return 'known' end
local shown = redis.call('HGET', KEYS[2], ARGV[2])
if shown then
  if not cjson.decode(shown).isUnsure then return 'known' end
elseif redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then
  return 'known'
end
if redis.call('HSETNX', KEYS[2], ARGV[4], ARGV[5]) == 0 then return 'known' end
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', 'id', ARGV[1])
return 'adopted'
`,
)

export function createSeenCards(redis: RedisHandle): SeenCards {
  const keys = approvalKeys(redis)
  return {
    async seen(id, place, ref) {
      const where = [keys.approval(id), keys.cards(id), keys.cardsDue, keys.changes]
      await redis.run(SEEN, where, [id, place, postingField(place), seenField(place), ref, CHANGES_MAX])
    },
  }
}
