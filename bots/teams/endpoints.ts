/**
 * Where Microsoft answers. The public cloud's, which the government's GCC shares; another cloud's are in the settings.
 */
import type { TeamsEndpoints } from '../../src/config/settings.ts'

export const PUBLIC_CLOUD: TeamsEndpoints = {
  login: 'https://login.microsoftonline.com',
  // learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
  openIdMetadata: 'https://login.botframework.com/v1/.well-known/openidconfiguration',
  issuer: 'https://api.botframework.com',
  scope: 'https://api.botframework.com/.default',
  graph: 'https://graph.microsoft.com',
  // microsoft.github.io/teams-sdk, service URL validation: what Microsoft's own library accepts in this cloud.
  connectors: [
    'https://smba.trafficmanager.net',
    'https://smba.onyx.prod.teams.trafficmanager.net',
    'https://smba.infra.gcc.teams.microsoft.com',
  ],
}
