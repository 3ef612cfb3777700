import { type KubeObject, readGateway } from '@ambient/kube'
import { canonicalIp, defineWorkload, type GatewayAddress, type Workload } from '@ambient/model'

/** One address by which the workloads of a network are reached from other networks. */
export interface NetworkGateway {
  readonly network: string
  /** Of its Gateway. */
  readonly namespace: string
  readonly name: string
  /** Canonical, or a host name. */
  readonly address: string
  readonly hbonePort: number
  /** As whom it proves itself. */
  readonly serviceAccount: string
  readonly clusterId: string
}

const NETWORK = 'topology.istio.io/network'
const SERVICE_ACCOUNT = 'gateway.istio.io/service-account'
const HBONE_PORT = 15_008

/**
 * The gateways that a Gateway stands for. In our own cluster the class `istio-remote` describes the gateway of another
 * network; in another cluster, `istio-east-west` is the gateway itself.
 *
 * @throws {KubeError} `OBJECT_INVALID`
 * @see istiod.md 4.11
 */
export function networkGateways(
  gateway: KubeObject,
  cluster: { readonly id: string; readonly isOurs: boolean },
): readonly NetworkGateway[] {
  const { namespace = '', name, labels, annotations } = gateway.metadata
  const network = labels[NETWORK] ?? ''
  const { className, listeners, addresses } = readGateway(gateway)
  if (network === '' || className !== (cluster.isOurs ? 'istio-remote' : 'istio-east-west')) return []
  const listener = listeners.find(
    ({ protocol, tlsMode }) => protocol === 'HBONE' && (cluster.isOurs || tlsMode === 'Terminate'),
  )
  if (listener === undefined) return []
  const account = annotations[SERVICE_ACCOUNT] ?? ''
  return addresses.flatMap(({ type, value }) => {
    const address = type === 'Hostname' ? value : type === 'IPAddress' ? canonicalIp(value) : undefined
    if (address === undefined) return []
    return [
      {
        network,
        namespace,
        name,
        address,
        // Who describes a gateway of elsewhere says its port; those of the class all have the same.
        hbonePort: cluster.isOurs ? listener.port : HBONE_PORT,
        serviceAccount: account === '' ? defaultAccount(name, cluster.isOurs) : account,
        clusterId: cluster.id,
      },
    ]
  })
}

/** The account that the class's own deployment would have. */
function defaultAccount(name: string, isOurs: boolean): string {
  return isOurs ? `${name}-istio-remote` : name
}

/** Which of several gateways something goes through. */
export function gatewayId({ namespace, name, address }: NetworkGateway): string {
  return `${namespace}/${name}/${address}`
}

/** What other workloads say of a gateway that they are reached through. */
export function gatewayReference({ network, namespace, address, hbonePort }: NetworkGateway): GatewayAddress {
  const destination: GatewayAddress['destination'] =
    canonicalIp(address) === undefined
      ? { kind: 'hostname', namespace, hostname: address }
      : { kind: 'address', network, ip: address }
  return { destination, hboneMtlsPort: hbonePort }
}

/** The gateway itself: a workload, so that whoever tunnels through it knows whom to expect there. */
export function gatewayWorkload(gateway: NetworkGateway, trustDomain: string): Workload {
  const { network, namespace, address, hbonePort, serviceAccount } = gateway
  const uid = `NetworkGateway/${network}/${address}/${hbonePort}`
  const isIp = canonicalIp(address) !== undefined
  return defineWorkload({
    uid,
    name: uid,
    namespace,
    network,
    trustDomain,
    serviceAccount,
    addresses: isIp ? [address] : [],
    hostname: isIp ? '' : address,
  })
}
