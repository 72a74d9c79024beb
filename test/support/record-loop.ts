/**
 * A process that records until it is killed, and says on standard output what was acknowledged:
 *
 *   ready ok|<why>      ack <number>      refused <number> <code>
 *
 * argv: directory, durability, how many at once, user id to become or `-`.
 */
import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { startRecorder } from '../../jobs/recording/recorder.ts'
import { GatewayError } from '../../src/errors.ts'
import { intent } from './audit-events.ts'
import { randomIds } from './random-ids.ts'
import { silentLog, systemClock } from './redis.ts'

const [directory = '', durability = 'synced', writers = '1', uid = '-'] = process.argv.slice(2)
// After the modules were loaded: the checkout need not be readable to that user.
if (uid !== '-') process.setuid?.(Number(uid))

const recorder = await startRecorder({
  directory,
  replica: 'record-loop',
  sync: 'group',
  clock: systemClock,
  ids: randomIds,
  log: silentLog,
})
// Written at once, so that what was said before a SIGKILL arrives.
const say = (line: string) => writeSync(1, `${line}\n`)
const health = recorder.canRecord()
say(`ready ${health.ok ? 'ok' : health.why}`)

let number = 0
await Promise.all(Array.from({ length: Number(writers) }, writeForEver))

async function writeForEver(): Promise<void> {
  for (;;) {
    const mine = number++
    try {
      await recorder.record(intent(Date.now(), String(mine)), durability === 'written' ? 'written' : 'synced')
      say(`ack ${mine}`)
    } catch (error) {
      say(`refused ${mine} ${error instanceof GatewayError ? error.code : 'another error'}`)
      await setTimeout(10)
    }
  }
}
