/** Which way a judged message goes: to a server over HTTP, or to one that the gateway has started. */
import type { PrincipalId } from '../../src/brands.ts'
import type { Exchange } from '../../src/gate/call.ts'
import type { StdioUpstream } from '../stdio/stdio-upstream.ts'
import type { ExchangeOptions } from './exchange.ts'
import { createExchange } from './exchange.ts'
import type { Target } from './http-proxy.ts'

export type UpstreamTarget = Target | StdioUpstream

export function exchangeFor(
  target: UpstreamTarget,
  options: Omit<ExchangeOptions, 'target'> & { readonly principal: PrincipalId },
): Exchange {
  if (!('kind' in target)) return createExchange({ ...options, target })
  return target.exchange(options)
}
