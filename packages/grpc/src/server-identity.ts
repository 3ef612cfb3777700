import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'

export interface ServerIdentity {
  readonly channelOptions: { readonly 'grpc.ssl_target_name_override'?: string }
  readonly check: (name: string, certificate: PeerCertificate) => Error | undefined
}

/** Sent as TLS server name when there is no better one. */
const PLACEHOLDER_NAME = 'istiod'

/**
 * Whom a channel to `host` expects to answer: a certificate for `host`, or else for `altHostname`. TLS knows no server
 * name that is an IP address and Node refuses one, so another is sent then; what is checked stays `host`.
 */
export function serverIdentity(host: string, altHostname: string | undefined): ServerIdentity {
  const isNamed = isIP(host) === 0
  const sentName = altHostname === undefined || isIP(altHostname) !== 0 ? PLACEHOLDER_NAME : altHostname
  return {
    channelOptions: isNamed ? {} : { 'grpc.ssl_target_name_override': sentName },
    check: (_sentName, certificate) => {
      const problem = checkServerIdentity(host, certificate)
      return problem !== undefined && altHostname !== undefined
        ? checkServerIdentity(altHostname, certificate)
        : problem
    },
  }
}
