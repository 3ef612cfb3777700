import { type KubeObject } from '@ambient/kube'
import { DEFAULT_MESH } from '../src/translate/mesh-options.ts'
import { meshState } from '../src/translate/mesh-state.ts'
import type { EnvoyResource } from '../src/waypoint/envoy-resource.ts'
import { type L7Policy, readL7Policy } from '../src/waypoint/l7-policy.ts'
import { waypointResources } from '../src/waypoint/waypoint-resources.ts'
import { placeIn } from './golden-objects.ts'

/** What the waypoint `shop/waypoint` is configured with in a mesh of these objects. */
export function waypointOfObjects(objects: readonly KubeObject[]): readonly EnvoyResource[] {
  const state = meshState(DEFAULT_MESH, () => {})
  state.graph.transaction(() => {
    for (const object of objects) {
      const place = placeIn(state, object)
      place.input.set(place.key, object)
    }
  })
  const waypoint = state.waypoints.get('shop/waypoint')
  if (waypoint === undefined) throw new Error('There is no Gateway shop/waypoint')
  const { rootNamespace, trustDomain } = DEFAULT_MESH
  const trustDomains = [trustDomain]
  const policies = objects
    .filter(({ kind }) => kind === 'AuthorizationPolicy')
    .flatMap((object): readonly L7Policy[] => {
      const policy = readL7Policy(object, { mesh: DEFAULT_MESH, trustDomains })
      return policy === undefined ? [] : [policy]
    })
  const addresses = [...state.addresses.entries()].map(([, address]) => address)
  return waypointResources(waypoint, { addresses, policies, trustDomains, rootNamespace })
}
