/** Under which Host headers a real deployment is reached. */
import { expect, it } from 'vitest'
import { hostsOf } from '../../src/main.ts'

it.each<[string, string, string, readonly string[], readonly string[]]>([
  [
    'behind TLS: the public name, with and without its port, and loopback',
    'http://127.0.0.1:8080',
    'https://gateway.example.com',
    ['gateway.example.com', 'gateway.example.com:443', '127.0.0.1:8080', 'localhost:8080', '[::1]:8080'],
    ['gateway.example.com:80', 'gateway.example.com:8080', 'evil.example', 'localhost', '127.0.0.1'],
  ],
  [
    'on the web’s own port, which clients leave out',
    'http://127.0.0.1:80',
    'http://gateway.internal',
    ['gateway.internal', 'gateway.internal:80', 'localhost', '127.0.0.1', 'localhost:80'],
    ['gateway.internal:443', 'localhost:'],
  ],
  [
    'on a port of its own',
    'http://[::1]:8080',
    'https://gw.example:8443',
    ['gw.example:8443', '[::1]:8080'],
    ['gw.example'],
  ],
])('%s', (_sentence, listening, publicUrl, accepted, refused) => {
  const hosts = hostsOf(listening, publicUrl)
  expect(accepted.filter((host) => !hosts.has(host))).toEqual([])
  expect(refused.filter((host) => hosts.has(host))).toEqual([])
})
