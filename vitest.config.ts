import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/loopback-tls.ts'],
    // Scenario tests start real processes (Redis, an OIDC provider, MCP servers) on two cores.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Most of their time they wait, for people and for deadlines: three share two cores well.
    maxWorkers: 3,
    pool: 'forks',
  },
})
