/** The kill loop, for a few rounds; `npm run chaos` runs it for long. */
import { expect, it } from 'vitest'
import { runKillLoop } from '../chaos/kill-loop.ts'

const ROUNDS = 3

it('[REQ-ONCE-1] killed at random instants of a hold, it sends no call twice, none unapproved, and loses no approval', async () => {
  const figures = await runKillLoop({ rounds: ROUNDS, seed: 20_261_124 })
  console.log(JSON.stringify(figures))
  expect(figures.violations).toEqual([])
  expect(figures.sentUpstream).toBeGreaterThan(0)
}, 180_000)
