/**
 * Okta's Groups API as its documentation tells it (developer.okta.com/docs/api, "Groups", "Rate limits"): an HTTP server
 * on loopback that refuses what Okta refuses, and pages by Link. Nothing here is lenient.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FakeOktaUser {
  readonly login: string
  readonly email?: string
  /** ACTIVE where left out. */
  readonly status?: string
}

export interface FakeOktaGroup {
  readonly id: string
  readonly name: string
  readonly type?: 'OKTA_GROUP' | 'APP_GROUP' | 'BUILT_IN'
  readonly users: readonly FakeOktaUser[]
}

/** "We recommend less than or equal to 200"; what it gives at most may change, so it gives fewer here. */
const PAGE_MAX = 200
const PAGE_DEFAULT = 100
const WINDOW_SEC = 60

export type FakeOkta = Awaited<ReturnType<typeof startFakeOkta>>

export async function startFakeOkta(
  options: {
    readonly token?: string
    readonly scheme?: string
    readonly groups?: readonly FakeOktaGroup[]
    readonly perMinute?: number
  } = {},
) {
  const { token = '00fake-token', scheme = 'SSWS', perMinute = 600 } = options
  const groups = new Map((options.groups ?? []).map((group) => [group.id, group]))
  const calls: { path: string; status: number }[] = []
  const answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = []
  const used = { count: 0, since: Date.now() }
  let url = ''

  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    response.on('finish', () => calls.push({ path, status: response.statusCode }))
    const special = answers.shift()
    if (special !== undefined) return void special(request, response)
    return void answer(request, response)
  })

  function answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers.authorization !== `${scheme} ${token}`) return void error(response, 401, 'E0000011')
    if (request.method !== 'GET') return void error(response, 405, 'E0000022')
    if (Date.now() - used.since > WINDOW_SEC * 1_000) Object.assign(used, { count: 0, since: Date.now() })
    used.count += 1
    response.setHeader('x-rate-limit-limit', perMinute)
    response.setHeader('x-rate-limit-remaining', Math.max(0, perMinute - used.count))
    response.setHeader('x-rate-limit-reset', Math.ceil(used.since / 1_000) + WINDOW_SEC)
    if (used.count > perMinute) return void error(response, 429, 'E0000047')
    const { pathname, searchParams } = new URL(request.url ?? '/', url)
    const limit = Number(searchParams.get('limit') ?? PAGE_DEFAULT)
    if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) return void error(response, 400, 'E0000001')
    if (pathname === '/api/v1/groups') return void listGroups(searchParams.get('q') ?? '', limit, response)
    const id = /^\/api\/v1\/groups\/([^/]+)\/users$/.exec(pathname)?.[1]
    const group = groups.get(decodeURIComponent(id ?? ''))
    if (group === undefined) return void error(response, 404, 'E0000007')
    return void listUsers(group, { limit: Math.min(limit, PAGE_MAX), after: searchParams.get('after') }, response)
  }

  /** "Exact matches will always be returned before partial matches"; a query can't be paged. */
  function listGroups(q: string, limit: number, response: ServerResponse): void {
    const found = [...groups.values()].filter(({ name }) => name.toLowerCase().startsWith(q.toLowerCase()))
    found.sort((a, b) => Number(b.name === q) - Number(a.name === q))
    const body = found
      .slice(0, limit)
      .map(({ id, name, type = 'OKTA_GROUP' }) => ({ id, type, profile: { name, description: null } }))
    json(response, body)
  }

  function listUsers(
    group: FakeOktaGroup,
    page: { limit: number; after: string | null },
    response: ServerResponse,
  ): void {
    const from = page.after === null ? 0 : placeOf(page.after)
    if (!Number.isInteger(from) || from < 0) return void error(response, 400, 'E0000031')
    const base = `${url}/api/v1/groups/${group.id}/users?limit=${page.limit}`
    const next = from + page.limit
    const links = [
      `<${base}>; rel="self"`,
      ...(next < group.users.length ? [`<${base}&after=${cursorOf(next)}>; rel="next"`] : []),
    ]
    // Each as a header of its own, as Okta sends them.
    response.setHeader('link', links)
    const users = group.users.slice(from, from + page.limit)
    json(
      response,
      users.map(({ login, email = login, status = 'ACTIVE' }) => ({
        id: `00u${login}`,
        status,
        profile: { login, email },
      })),
    )
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    token,
    calls: calls as readonly { path: string; status: number }[],
    setGroup: (group: FakeOktaGroup) => void groups.set(group.id, group),
    removeGroup: (id: string) => void groups.delete(id),
    /** The next request is answered by this; repeated calls queue up. */
    answerNext: (how: (request: IncomingMessage, response: ServerResponse) => void) => void answers.push(how),
    async close(): Promise<void> {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Opaque, so that whoever counts instead of following the link gets nothing. */
const cursorOf = (place: number) => Buffer.from(`after:${place}`).toString('base64url')
const placeOf = (cursor: string) =>
  Number(
    Buffer.from(cursor, 'base64url')
      .toString()
      .replace(/^after:/, ''),
  )

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function error(response: ServerResponse, status: number, errorCode: string): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ errorCode, errorSummary: '…' }))
}
