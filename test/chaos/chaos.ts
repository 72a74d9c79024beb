/** `npm run chaos -- [--rounds N] [--seed S]`: the kill loop for as long as you like. Exits 1 where something did not hold. */
import { parseArgs } from 'node:util'
import { runKillLoop } from './kill-loop.ts'

const ROUNDS = '100'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: ROUNDS }, seed: { type: 'string' } } })
const rounds = Number(values.rounds)
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed)
if (!Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run chaos -- [--rounds N] [--seed S], both whole numbers')
  process.exit(2)
}
console.log(`${rounds} rounds, seed ${seed}`)
const figures = await runKillLoop({ rounds, seed, log: (line) => console.log(line) })
console.log(JSON.stringify(figures, null, 2))
if (figures.violations.length > 0) process.exitCode = 1
