import { istio } from './generated/messages.js'

type Maybe<T> = T | null
const wire = istio.workload

/** Wire shapes as they come: anything may be missing. Numbers of enums are those of the `.proto`. */
export interface WirePort {
  readonly servicePort?: Maybe<number>
  readonly targetPort?: Maybe<number>
  readonly appProtocol?: Maybe<number>
}
export interface WireNetworkAddress {
  readonly network?: Maybe<string>
  readonly address?: Maybe<Uint8Array>
  readonly length?: Maybe<number>
}
export interface WireGatewayAddress {
  readonly hostname?: Maybe<{ readonly namespace?: Maybe<string>; readonly hostname?: Maybe<string> }>
  readonly address?: Maybe<WireNetworkAddress>
  readonly hboneMtlsPort?: Maybe<number>
}
export interface WireLocality {
  readonly region?: Maybe<string>
  readonly zone?: Maybe<string>
  readonly subzone?: Maybe<string>
}
export interface WireWorkload {
  readonly uid?: Maybe<string>
  readonly name?: Maybe<string>
  readonly namespace?: Maybe<string>
  readonly addresses?: Maybe<Uint8Array[]>
  readonly network?: Maybe<string>
  readonly tunnelProtocol?: Maybe<number>
  readonly trustDomain?: Maybe<string>
  readonly serviceAccount?: Maybe<string>
  readonly waypoint?: Maybe<WireGatewayAddress>
  readonly networkGateway?: Maybe<WireGatewayAddress>
  readonly node?: Maybe<string>
  readonly canonicalName?: Maybe<string>
  readonly canonicalRevision?: Maybe<string>
  readonly workloadType?: Maybe<number>
  readonly workloadName?: Maybe<string>
  readonly nativeTunnel?: Maybe<boolean>
  readonly authorizationPolicies?: Maybe<string[]>
  readonly status?: Maybe<number>
  readonly clusterId?: Maybe<string>
  readonly hostname?: Maybe<string>
  readonly services?: Maybe<{ [name: string]: { readonly ports?: Maybe<WirePort[]> } }>
  readonly applicationTunnel?: Maybe<{ readonly protocol?: Maybe<number>; readonly port?: Maybe<number> }>
  readonly locality?: Maybe<WireLocality>
  readonly networkMode?: Maybe<number>
  readonly capacity?: Maybe<{ readonly value?: Maybe<number> }>
}
export interface WireService {
  readonly name?: Maybe<string>
  readonly namespace?: Maybe<string>
  readonly hostname?: Maybe<string>
  readonly addresses?: Maybe<WireNetworkAddress[]>
  readonly ports?: Maybe<WirePort[]>
  readonly subjectAltNames?: Maybe<string[]>
  readonly waypoint?: Maybe<WireGatewayAddress>
  readonly loadBalancing?: Maybe<{
    readonly routingPreference?: Maybe<number[]>
    readonly mode?: Maybe<number>
    readonly healthPolicy?: Maybe<number>
  }>
  readonly ipFamilies?: Maybe<number>
  readonly canonical?: Maybe<boolean>
  readonly ingressUseWaypoint?: Maybe<boolean>
  readonly weightedWaypoints?: Maybe<
    { readonly destination?: Maybe<WireGatewayAddress>; readonly weight?: Maybe<number> }[]
  >
  readonly visibility?: Maybe<number>
}
export interface WireAddress {
  readonly workload?: Maybe<WireWorkload>
  readonly service?: Maybe<WireService>
}

/** Equal values give equal bytes if the keys of `services` come in one order: sort them. */
export function encodeWireAddress(address: WireAddress): Uint8Array {
  return wire.Address.encode(address).finish()
}

/** The Workload inside an Address that `encodeWireAddress` made of one: what follows the field's tag and length. */
export function innerWireWorkload(address: Uint8Array): Uint8Array {
  let at = 1
  while (((address[at] ?? 0) & 0x80) !== 0) at++
  return address.subarray(at + 1)
}

/** @throws {Error} when the bytes are no such message. */
export function decodeWireAddress(bytes: Uint8Array): WireAddress {
  return wire.Address.decode(bytes)
}

/** @throws {Error} when the bytes are no such message. */
export function decodeWireWorkload(bytes: Uint8Array): WireWorkload {
  return wire.Workload.decode(bytes)
}
