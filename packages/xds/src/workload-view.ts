import { isServiceName } from '@ambient/model'
import { innerWireWorkload } from '@ambient/xds-proto'
import { type EncodedResource, encodedResource } from './encoded-resource.ts'
import type { ResourceView } from './resource-view.ts'
import { WORKLOAD_TYPE } from './type-urls.ts'

/**
 * The workloads among addresses as the older Workload type carries them: the inner message alone, under the version of
 * its Address. Made when asked for and not kept, since hardly any client asks.
 */
export function workloadView(addresses: ResourceView): ResourceView {
  return {
    typeUrl: WORKLOAD_TYPE,
    get size() {
      return [...workloadsOf(addresses.names())].length
    },
    names: () => workloadsOf(addresses.names()),
    get(name) {
      const address = isServiceName(name) ? undefined : addresses.get(name)
      return address === undefined ? undefined : workloadOf(address)
    },
    find: (key) => workloadsOf(addresses.find(key)),
    onChange: (notify) =>
      addresses.onChange((names) => {
        const workloads = new Set(workloadsOf(names))
        if (workloads.size > 0) notify(workloads)
      }),
  }
}

function* workloadsOf(names: Iterable<string>): Iterable<string> {
  for (const name of names) if (!isServiceName(name)) yield name
}

function workloadOf({ name, version, bytes, aliases, groups }: EncodedResource): EncodedResource {
  const of = { name, typeUrl: WORKLOAD_TYPE, keys: { aliases, groups } }
  return encodedResource(of, innerWireWorkload(bytes), version)
}
