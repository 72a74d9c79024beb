/**
 * Stands between the playground and the gateway, as Microsoft's cloud does: what the playground says is signed as the Bot
 * Connector signs it, and what the gateway sends reaches the playground's connector. So the gateway under test checks
 * everything that it checks in production; the playground, which signs nothing, is told of none of it.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'
import type { FakeTeams } from '../support/fake-teams.ts'
import { APPROVALS } from '../support/fake-teams-world.ts'

const CONNECTOR = '/connector'

export interface Signing {
  readonly origin: string
  /** Where the playground sends to. */
  readonly messagesUrl: string
  /** Both have to be known before anything passes. */
  lead(to: { readonly gateway: string; readonly playground: string }): void
  /** Resolves when somebody has opened the channel in the playground: what is posted before, its page never shows. */
  readonly opened: Promise<void>
  close(): Promise<void>
}

interface Leads {
  gateway: string
  playground: string
}

export interface SigningOptions {
  readonly teams: FakeTeams
  /** What the playground calls people, by their object ids. */
  readonly mris: Readonly<Record<string, string>>
  readonly log: (line: string) => void
}

export async function startSigning({ teams, mris, log }: SigningOptions): Promise<Signing> {
  const leads: Leads = { gateway: '', playground: '' }
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const server = createServer((request, response) => {
    pass({ teams, leads, mris, origin: originOf(server), log, open }, request, response).catch((error: unknown) => {
      log(`the shim failed: ${String(error)}`)
      if (!response.headersSent) response.writeHead(502).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: originOf(server),
    messagesUrl: `${originOf(server)}/api/messages`,
    lead: (to) => void Object.assign(leads, to),
    opened,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

const originOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

interface Parts extends SigningOptions {
  readonly leads: Leads
  readonly origin: string
  readonly open: () => void
}

async function pass(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = '/', method = 'GET' } = request
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  // It looks first whether somebody is there at all.
  if (!url.startsWith(CONNECTOR) && method !== 'POST') return void response.writeHead(405).end()
  const answer = url.startsWith(CONNECTOR)
    ? await toPlayground(parts, { url, method, text })
    : await toGateway(parts, text)
  const body = await answer.text()
  // The fake Teams signs what it says by itself; the playground signs nothing.
  if (request.headers.authorization === undefined && text.includes(APPROVALS)) parts.open()
  parts.log(`${method} ${url.slice(0, 120)} ${answer.status}${answer.status < 300 ? '' : ` ${body.slice(0, 200)}`}`)
  const isMembers = /members/i.test(url) && answer.ok && body !== ''
  response.writeHead(answer.status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(isMembers ? JSON.stringify(ofOurTenant(parts.teams, JSON.parse(body) as JsonValue)) : body)
}

function toPlayground(parts: Parts, asked: { url: string; method: string; text: string }): Promise<Response> {
  const { leads, mris } = parts
  const { method } = asked
  // Teams finds people by Entra's object id too; the playground by its own names for them alone.
  const named = (text: string) => Object.entries(mris).reduce((one, [oid, mri]) => one.replaceAll(oid, mri), text)
  const [url, text] = [
    named(asked.url),
    method === 'POST' && /conversations$/.test(asked.url) ? named(asked.text) : asked.text,
  ]
  return fetch(`${leads.playground}/_connector${url.slice(CONNECTOR.length)}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: text === '' ? null : text,
  })
}

async function toGateway({ teams, leads, origin }: Parts, text: string): Promise<Response> {
  const serviceUrl = `${origin}${CONNECTOR}`
  const activity = asTeamsSendsIt(teams, { ...(JSON.parse(text) as JsonObject), serviceUrl })
  return fetch(`${leads.gateway}/api/messages`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      authorization: `Bearer ${await teams.tokenOf({ claims: { serviceurl: serviceUrl } })}`,
    },
    body: JSON.stringify(activity),
  })
}

/** What the playground leaves out or calls otherwise. */
function asTeamsSendsIt(teams: FakeTeams, activity: JsonObject): JsonObject {
  const tenant = { id: teams.tenantId }
  const part = (name: string) => (isObject(activity[name]) ? (activity[name] as JsonObject) : {})
  return {
    ...activity,
    channelId: 'msteams',
    recipient: { ...part('recipient'), id: teams.botMri },
    conversation: {
      conversationType: 'personal',
      ...part('conversation'),
      tenantId: teams.tenantId,
    },
    channelData: { ...part('channelData'), tenant },
  }
}

/** Its connector leaves the tenant out of what it says of people. */
function ofOurTenant(teams: FakeTeams, told: JsonValue): JsonValue {
  if (Array.isArray(told)) return told.map((one) => ofOurTenant(teams, one))
  if (!isObject(told)) return told
  if (Array.isArray(told.members)) return { ...told, members: told.members.map((one) => ofOurTenant(teams, one)) }
  const name = told.userPrincipalName ?? told.userPrincipleName ?? told.email ?? null
  return { ...told, tenantId: teams.tenantId, userRole: 'user', userPrincipalName: name }
}
