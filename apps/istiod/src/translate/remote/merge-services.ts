import { type NetworkAddress, type Service, type Workload } from '@ambient/model'

/**
 * A service that is one over several clusters: the virtual IPs of all, each of its network, and whoever of its members
 * is on another network as an identity that may answer for it. Pure.
 *
 * @param base What everything else of it is taken from: our own, or the first that there is.
 * @param hidden Members that node proxies see only a gateway of.
 */
export function mergeServices(
  base: Service,
  twins: readonly Service[],
  hidden: readonly Workload[],
): Service {
  const addresses = [base, ...twins].flatMap((service) => service.addresses)
  const names = [
    ...[base, ...twins].flatMap((service) => service.subjectAltNames),
    ...hidden.map(
      ({ trustDomain, namespace, serviceAccount }) =>
        `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`,
    ),
  ]
  return {
    ...base,
    addresses: distinctAddresses(addresses),
    subjectAltNames: [...new Set(names)].toSorted(),
  }
}

function distinctAddresses(addresses: readonly NetworkAddress[]): readonly NetworkAddress[] {
  const keyOf = ({ network, ip, prefixLength }: NetworkAddress): string =>
    `${network}/${ip}/${prefixLength ?? ''}`
  const byKey = new Map(addresses.map((address) => [keyOf(address), address]))
  return [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address)
}
