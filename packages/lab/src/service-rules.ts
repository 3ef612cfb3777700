import { formatHostPort } from '@ambient/model'
import { familyOfIp, type LabFamily } from './lab-addresses.ts'
import type { ServiceEndpoints } from './service-endpoints.ts'

const SERVICES = 'LAB-SERVICES'
const HAIRPIN = 'LAB-HAIRPIN'

/**
 * kube-proxy's part on one node in one family, for `iptables-restore --noflush`: each ClusterIP and port to one of its ready pods by
 * chance; one that has none is refused. The chains are ours alone and replaced in one step. Pure.
 */
export function serviceRules(all: readonly ServiceEndpoints[], family: LabFamily): string {
  const services = all.map((service) => inFamily(service, family))
  const bits = family === 'ipv4' ? 32 : 128
  const forwards = services.flatMap((service) => service.clusterIps.flatMap((ip) => forwardsTo(ip, service)))
  const hairpins = [...new Set(services.flatMap(({ podIps }) => podIps))].toSorted()
  return [
    '*nat',
    `:${SERVICES} - [0:0]`,
    `:${HAIRPIN} - [0:0]`,
    ...forwards,
    ...hairpins.map((ip) => `-A ${HAIRPIN} -s ${ip}/${bits} -d ${ip}/${bits} -j MASQUERADE`),
    'COMMIT',
    '*filter',
    `:${SERVICES} - [0:0]`,
    ...services.flatMap((service) => service.clusterIps.flatMap((ip) => refusalsOf(ip, service))),
    'COMMIT',
    '',
  ].join('\n')
}

/** Made once a node and family: the ways into the chains above. */
export const serviceHooks: string = [
  '*nat',
  `:${SERVICES} - [0:0]`,
  `:${HAIRPIN} - [0:0]`,
  `-A PREROUTING -j ${SERVICES}`,
  `-A OUTPUT -j ${SERVICES}`,
  `-A POSTROUTING -j ${HAIRPIN}`,
  'COMMIT',
  '*filter',
  `:${SERVICES} - [0:0]`,
  `-A FORWARD -j ${SERVICES}`,
  `-A OUTPUT -j ${SERVICES}`,
  'COMMIT',
  '',
].join('\n')

/** What of a service is in one family: its addresses, and its pods by theirs. */
function inFamily(service: ServiceEndpoints, family: LabFamily): ServiceEndpoints {
  const isOurs = (ip: string): boolean => familyOfIp(ip) === family
  return {
    ...service,
    clusterIps: service.clusterIps.filter(isOurs),
    podIps: service.podIps.filter(isOurs),
    ports: service.ports.map((port) => ({
      ...port,
      endpoints: port.endpoints.filter(({ ip }) => isOurs(ip)),
    })),
  }
}

function forwardsTo(ip: string, service: ServiceEndpoints): readonly string[] {
  return service.ports.flatMap(({ protocol, port, endpoints }) =>
    endpoints.map((endpoint, index) => {
      const left = endpoints.length - index
      const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}`
      const match = `-A ${SERVICES} -d ${ip} -p ${protocol} -m ${protocol} --dport ${port}`
      return `${match}${chance} -j DNAT --to-destination ${formatHostPort(endpoint.ip, endpoint.port)}`
    }),
  )
}

function refusalsOf(ip: string, service: ServiceEndpoints): readonly string[] {
  return service.ports
    .filter(({ endpoints }) => endpoints.length === 0)
    .map(
      ({ protocol, port }) =>
        `-A ${SERVICES} -d ${ip} -p ${protocol} -m ${protocol} --dport ${port} -j REJECT`,
    )
}
