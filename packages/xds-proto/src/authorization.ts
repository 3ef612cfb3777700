import { istio } from './generated/messages.js'

type Maybe<T> = T | null

export interface WireStringMatch {
  readonly exact?: Maybe<string>
  readonly prefix?: Maybe<string>
  readonly suffix?: Maybe<string>
  readonly presence?: Maybe<object>
}
export interface WireCidr {
  readonly address?: Maybe<Uint8Array>
  readonly length?: Maybe<number>
}
export interface WireServiceAccount {
  readonly namespace?: Maybe<string>
  readonly serviceAccount?: Maybe<string>
}
export interface WireMatch {
  readonly namespaces?: Maybe<WireStringMatch[]>
  readonly notNamespaces?: Maybe<WireStringMatch[]>
  readonly principals?: Maybe<WireStringMatch[]>
  readonly notPrincipals?: Maybe<WireStringMatch[]>
  readonly sourceIps?: Maybe<WireCidr[]>
  readonly notSourceIps?: Maybe<WireCidr[]>
  readonly destinationIps?: Maybe<WireCidr[]>
  readonly notDestinationIps?: Maybe<WireCidr[]>
  readonly destinationPorts?: Maybe<number[]>
  readonly notDestinationPorts?: Maybe<number[]>
  readonly serviceAccounts?: Maybe<WireServiceAccount[]>
  readonly notServiceAccounts?: Maybe<WireServiceAccount[]>
}
export interface WireAuthorization {
  readonly name?: Maybe<string>
  readonly namespace?: Maybe<string>
  readonly scope?: Maybe<number>
  readonly action?: Maybe<number>
  readonly rules?: Maybe<{ readonly clauses?: Maybe<{ readonly matches?: Maybe<WireMatch[]> }[]> }[]>
  readonly dryRun?: Maybe<boolean>
}

export function encodeWireAuthorization(authorization: WireAuthorization): Uint8Array {
  return istio.security.Authorization.encode(authorization).finish()
}

/** @throws {Error} when the bytes are no such message. */
export function decodeWireAuthorization(bytes: Uint8Array): WireAuthorization {
  return istio.security.Authorization.decode(bytes)
}
