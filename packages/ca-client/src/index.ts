export { CaClient, type CaClientOptions } from './ca-client.ts'
export { CaClientError, type CaClientErrorCode } from './ca-client-error.ts'
export { CA_CLIENT_LIMITS } from './limits.ts'
