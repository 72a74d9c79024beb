import { expect, test } from 'vitest'
import { isLoopbackPeer, isOwnPage, originOf } from '../../bots/console/guard.ts'

const peers: [what: string, address: string | undefined, loopback: boolean][] = [
  ['IPv4 loopback', '127.0.0.1', true],
  ['another address of 127/8', '127.8.9.10', true],
  ['IPv6 loopback', '::1', true],
  ['IPv4 loopback as a dual-stack socket names it', '::ffff:127.0.0.1', true],
  ['a private network', '192.168.1.7', false],
  ['a container’s bridge', '172.17.0.1', false],
  ['a mapped outside address', '::ffff:203.0.113.9', false],
  ['an address that only begins like loopback', '127.0.0.1.example.com', false],
  ['an address that only ends like loopback', '10.127.0.0.1', false],
  ['a socket that is gone', undefined, false],
]
test.each(peers)('%s', (_what, address, loopback) => expect(isLoopbackPeer(address)).toBe(loopback))

const PUBLIC = 'https://gateway.example.com'
const hosts: [what: string, host: string | undefined, publicUrl: string | null, origin: string | null][] = [
  ['loopback by address', '127.0.0.1:8080', null, 'http://127.0.0.1:8080'],
  ['loopback by name, in any case', 'LocalHost:8080', null, 'http://localhost:8080'],
  ['IPv6 loopback', '[::1]:8080', null, 'http://[::1]:8080'],
  ['another port, as behind ssh -L', 'localhost:9000', null, 'http://localhost:9000'],
  ['the default port', 'localhost', null, 'http://localhost'],
  ['the public name', 'gateway.example.com', PUBLIC, PUBLIC],
  ['the public name without a setting', 'gateway.example.com', null, null],
  ['the public name on a foreign port', 'gateway.example.com:8443', PUBLIC, null],
  ['a name that was rebound to 127.0.0.1', 'evil.example', null, null],
  ['a name that begins like loopback', 'localhost.evil.example:8080', null, null],
  ['a name that ends like loopback', 'evil-localhost:8080', null, null],
  ['user information', 'evil@127.0.0.1:8080', null, null],
  ['another way to write 127.0.0.1', '2130706433:8080', null, null],
  ['a trailing dot', 'localhost.:8080', null, null],
  ['none', undefined, null, null],
]
test.each(hosts)('Host is %s', (_what, host, publicUrl, origin) => expect(originOf(host, publicUrl)).toBe(origin))

const OWN = 'http://127.0.0.1:8080'
const pages: [what: string, acts: boolean, origin: string | undefined, fetchSite: string | undefined, own: boolean][] =
  [
    ['our page’s script acts', true, OWN, 'same-origin', true],
    ['an older browser without fetch metadata acts', true, OWN, undefined, true],
    ['a client without Origin may not act', true, undefined, undefined, false],
    ['a page without an origin (sandboxed, or no-referrer) may not act', true, 'null', 'same-origin', false],
    ['a page on another port is the same site, but not ours', true, 'http://127.0.0.1:3000', 'same-site', false],
    ['a page of another site', true, 'https://evil.example', 'cross-site', false],
    ['the https twin of our name is another origin', true, 'https://127.0.0.1:8080', 'cross-site', false],
    ['a lie in Origin does not outweigh fetch metadata', true, OWN, 'cross-site', false],
    ['an origin that begins like ours', true, `${OWN}.evil.example`, 'cross-site', false],
    ['opening a link reads', false, undefined, 'none', true],
    ['a link in a web mail reads', false, undefined, 'cross-site', true],
    ['a foreign script that reads', false, 'https://evil.example', 'cross-site', false],
  ]
test.each(pages)('%s', (_what, acts, origin, fetchSite, own) =>
  expect(isOwnPage({ acts, ownOrigin: OWN, origin, fetchSite })).toBe(own),
)
