import { describe, expect, test } from 'vitest'
import type { ClaimMapping } from '../../src/identity/claims.ts'
import { DEFAULT_CLAIMS, mapClaims, SUBJECT_CHARS_MAX } from '../../src/identity/claims.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { JsonObject } from '../../src/json/value.ts'

const ISSUER = 'https://issuer.example.com'

type Expected = Partial<Omit<Principal, 'claims'>>

describe('with the default mapping', () => {
  const table: readonly (readonly [string, JsonObject, Expected])[] = [
    [
      '[REQ-IDENTITY-10] Okta: scp is a list, cid the client, sub the login and so the e-mail',
      {
        ver: 1,
        jti: 'AT.1',
        iss: ISSUER,
        aud: 'api://default',
        cid: '0oa1',
        uid: '00u1',
        scp: ['openid', 'mcp:call'],
        sub: 'Alice@Example.com',
        groups: ['Everyone', 'DBA'],
      },
      {
        subject: 'Alice@Example.com',
        email: 'alice@example.com',
        client: '0oa1',
        groups: ['Everyone', 'DBA'],
        scopes: ['openid', 'mcp:call'],
      },
    ],
    [
      'Okta: client credentials have no owner, and sub is the client',
      { cid: '0oa1', sub: '0oa1', scp: ['mcp:call'] },
      { subject: '0oa1', email: null, client: '0oa1', groups: [], scopes: ['mcp:call'] },
    ],
    [
      'Entra v2: scp is one string, azp the client, preferred_username the address',
      {
        ver: '2.0',
        azp: '11111111-aaaa',
        scp: 'mcp.call user.read',
        sub: 'pairwise-subject',
        oid: 'object-id',
        preferred_username: 'Alice@contoso.com',
        groups: ['0000-dba'],
      },
      {
        subject: 'pairwise-subject',
        email: 'alice@contoso.com',
        vouchedEmail: null,
        client: '11111111-aaaa',
        groups: ['0000-dba'],
        scopes: ['mcp.call', 'user.read'],
      },
    ],
    [
      'Entra v1: appid is the client, upn the address',
      { ver: '1.0', appid: '22222222-bbbb', scp: 'mcp.call', sub: 's', upn: 'alice@contoso.com' },
      { email: 'alice@contoso.com', vouchedEmail: 'alice@contoso.com', client: '22222222-bbbb', scopes: ['mcp.call'] },
    ],
    [
      'Auth0: scope is one string, azp the client, sub no address',
      { sub: 'auth0|64f1', azp: 'client-1', scope: 'openid mcp:call' },
      {
        subject: 'auth0|64f1',
        id: `${ISSUER}|auth0|64f1` as Principal['id'],
        email: null,
        client: 'client-1',
        scopes: ['openid', 'mcp:call'],
      },
    ],
    [
      'Keycloak: roles below realm_access are the groups, and a user name without @ is no address',
      {
        typ: 'Bearer',
        azp: 'agent',
        scope: 'profile email',
        sub: 'f7c0',
        realm_access: { roles: ['dba', 'offline_access'] },
        preferred_username: 'alice',
        email: 'alice@example.com',
        email_verified: true,
      },
      {
        email: 'alice@example.com',
        vouchedEmail: 'alice@example.com',
        client: 'agent',
        groups: ['dba', 'offline_access'],
        scopes: ['profile', 'email'],
      },
    ],
    ['Keycloak: a user name alone gives no e-mail', { sub: 'f7c0', preferred_username: 'alice' }, { email: null }],
    [
      'an e-mail that the issuer calls unverified does not count, nor does a user name in its place',
      { sub: 'f7c0', email: 'bob@example.com', email_verified: false, preferred_username: 'bob@example.com' },
      { email: null, vouchedEmail: null },
    ],
    [
      'nobody vouches for a user name that is an address: whoever signs up may choose a colleague’s',
      { sub: 'f7c0', preferred_username: 'alice@example.com' },
      { email: 'alice@example.com', vouchedEmail: null },
    ],
    [
      'nor does an unverified e-mail vouch for anyone beside a subject that is another address',
      { sub: 'bob@example.com', email: 'alice@example.com', email_verified: false },
      { email: 'bob@example.com', vouchedEmail: 'bob@example.com' },
    ],
    [
      'where the e-mail is unverified, a subject that is an address still counts: the issuer gave it out',
      { sub: 'alice@example.com', email: 'bob@example.com', email_verified: false },
      { email: 'alice@example.com' },
    ],
    [
      'an empty list of groups is no reason to look further',
      { sub: 's', groups: [], realm_access: { roles: ['x'] } },
      { groups: [] },
    ],
    ['null counts as absent', { sub: 's', scp: null, scope: 'a', cid: null, azp: 'c' }, { scopes: ['a'], client: 'c' }],
    ['spaces more than one make no empty scope', { sub: 's', scope: ' a  b ' }, { scopes: ['a', 'b'] }],
    ['two @ make no address', { sub: 's', email: 'a@b@example.com' }, { email: null }],
  ]

  test.each(table)('%s', (_sentence, claims, expected) => {
    const mapped = mapClaims(ISSUER, claims)
    expect(mapped).toMatchObject({ ok: true, principal: { issuer: ISSUER, ...expected }, notes: [] })
    expect(mapped.ok && mapped.principal.claims).toBe(claims)
  })

  test.each([
    ['_claim_names says where the groups are', { _claim_names: { groups: 'src1' }, _claim_sources: { src1: {} } }],
    ['hasgroups says that there are some', { hasgroups: true }],
  ])('Entra over 200 groups: %s, so they are unknown and that is noted', (_sentence, claims) => {
    const mapped = mapClaims(ISSUER, { sub: 's', ...claims })
    expect(mapped).toMatchObject({ ok: true, principal: { groups: [] }, notes: ['groups_overage'] })
  })
})

describe('a claim of the wrong type is refused by name and never coerced', () => {
  const table: readonly (readonly [string, JsonObject, string])[] = [
    ['no subject', { email: 'a@example.com' }, 'sub'],
    ['an empty subject', { sub: '' }, 'sub'],
    ['a subject that is a number', { sub: 42 }, 'sub'],
    ['a subject that is a list', { sub: ['alice'] }, 'sub'],
    ['a subject without end', { sub: 'x'.repeat(SUBJECT_CHARS_MAX + 1) }, 'sub'],
    ['a client that is an object', { sub: 's', azp: {} }, 'azp'],
    ['groups in one string', { sub: 's', groups: 'dba' }, 'groups'],
    ['groups in one string with commas', { sub: 's', groups: 'dba,admins' }, 'groups'],
    ['groups that are objects', { sub: 's', groups: [{ name: 'dba' }] }, 'groups'],
    ['groups of which one is a number', { sub: 's', groups: ['dba', 7] }, 'groups'],
    ['roles that are a string', { sub: 's', realm_access: { roles: 'dba' } }, 'realm_access.roles'],
    ['scopes that are a number', { sub: 's', scp: 1 }, 'scp'],
    ['scopes of which one is null', { sub: 's', scope: ['a', null] }, 'scope'],
    ['an e-mail that is a list', { sub: 's', email: ['a@example.com'] }, 'email'],
    ['email_verified as text', { sub: 's', email: 'a@example.com', email_verified: 'false' }, 'email_verified'],
  ]

  test.each(table)('%s', (_sentence, claims, claim) => {
    expect(mapClaims(ISSUER, claims)).toMatchObject({ ok: false, claim })
  })
})

describe('with names from the settings', () => {
  const table: readonly (readonly [string, Partial<ClaimMapping>, JsonObject, Expected])[] = [
    [
      'a namespaced claim of Auth0 is taken whole, dots and all',
      { groups: 'https://example.com/groups', email: 'https://example.com/email' },
      { sub: 's', 'https://example.com/groups': ['dba'], 'https://example.com/email': 'A@example.com' },
      { groups: ['dba'], email: 'a@example.com' },
    ],
    [
      'a dotted path leads into objects',
      { groups: 'resource_access.gateway.roles' },
      { sub: 's', resource_access: { gateway: { roles: ['dba'] } } },
      { groups: ['dba'] },
    ],
    [
      'a path that leads nowhere is an absent claim',
      { groups: 'a.b.c' },
      { sub: 's', a: { b: 'text' } },
      { groups: [] },
    ],
    ['a list of names is tried in order', { subject: ['oid', 'sub'] }, { sub: 's', oid: 'o' }, { subject: 'o' }],
    [
      'the subject may be Okta’s uid',
      { subject: 'uid' },
      { sub: 'alice@example.com', uid: '00u1' },
      { subject: '00u1' },
    ],
    [
      'whoever names preferred_username in the settings vouches for it',
      { email: 'preferred_username' },
      { sub: 's', preferred_username: 'alice@contoso.com' },
      { email: 'alice@contoso.com', vouchedEmail: 'alice@contoso.com' },
    ],
    ['what every object inherits is no claim', { client: 'constructor.name' }, { sub: 's' }, { client: null }],
  ]

  test.each(table)('%s', (_sentence, names, claims, expected) => {
    const mapped = mapClaims(ISSUER, claims, { ...DEFAULT_CLAIMS, ...names })
    expect(mapped).toMatchObject({ ok: true, principal: expected })
  })

  test('a mapped subject that is absent is refused by its own name, not replaced by sub', () => {
    const mapped = mapClaims(ISSUER, { sub: 's' }, { ...DEFAULT_CLAIMS, subject: ['uid', 'oid'] })
    expect(mapped).toEqual({ ok: false, claim: 'uid or oid', problem: 'is missing or empty' })
  })
})
