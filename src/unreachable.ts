/** Parameter type `never`: a new case stops the build at every switch that forgot it. */
export function unreachable(value: never): never {
  throw new TypeError(`unreachable case: ${JSON.stringify(value)}`)
}
