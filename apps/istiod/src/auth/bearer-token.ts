import { AuthError } from './caller.ts'

const MAX_TOKEN_CHARS = 16_384

/**
 * @param header The `authorization` header or metadata of a call.
 * @throws {AuthError} `TOKEN_MISSING`, or `TOKEN_INVALID` when it is longer than any real token.
 */
export function bearerToken(header: string | undefined): string {
  const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
  if (token === undefined)
    throw new AuthError('TOKEN_MISSING', 'Cannot authenticate: there is no bearer token')
  if (token.length > MAX_TOKEN_CHARS)
    throw new AuthError('TOKEN_INVALID', 'Cannot authenticate: the token is too long')
  return token
}
