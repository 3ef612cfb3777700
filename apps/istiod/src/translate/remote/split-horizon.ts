import { defineWorkload, type Service, serviceName, type Workload } from '@ambient/model'
import { gatewayId, gatewayReference, type NetworkGateway } from '../networks/network-gateway.ts'

/**
 * One workload that stands for all members of a service on another network: it is reached through their gateway, and
 * weighs as much as those of them that are healthy. Pure.
 */
export function splitHorizonWorkload(
  service: Service,
  members: readonly Workload[],
  { gateway, trustDomain }: { readonly gateway: NetworkGateway; readonly trustDomain: string },
): Workload {
  const healthy = members.filter(({ status }) => status === 'healthy')
  const uid = `${gateway.network}/SplitHorizonWorkload/${gatewayId(gateway)}/${serviceName(service)}`
  return defineWorkload({
    uid,
    name: uid,
    namespace: service.namespace,
    network: gateway.network,
    networkGateway: gatewayReference(gateway),
    tunnelProtocol: 'hbone',
    trustDomain,
    clusterId: gateway.clusterId,
    workloadType: 'pod',
    status: healthy.length === 0 ? 'unhealthy' : 'healthy',
    capacity: healthy.reduce((sum, { capacity }) => sum + capacity, 0),
    services: {
      // The gateway, and no one before it, knows the ports of each.
      [serviceName(service)]: service.ports.map(({ servicePort }) => ({
        servicePort,
        targetPort: servicePort,
        appProtocol: 'unknown',
      })),
    },
  })
}
