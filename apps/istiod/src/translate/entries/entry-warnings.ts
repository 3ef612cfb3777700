import type { Collection } from '@ambient/collections'
import type { ObjectWarning, OwnWarnings } from '../object-warnings.ts'
import type { EndpointFacts } from './endpoint-facts.ts'
import type { EntryState } from './entry-state.ts'

/** What of a ServiceEntry is not sent, though nothing is wrong with it. */
export function serviceEntryWarnings(entries: EntryState): OwnWarnings {
  return (_object, fetch, key) => {
    const entry = fetch.get(entries.facts, key)
    if (entry === undefined) return []
    const sockets = entry.endpoints.flatMap(({ address }) =>
      address.kind === 'unix' ? [endpointLeftOut(address.path)] : [],
    )
    const lost = entries.lostHosts(entry, fetch).map(({ host, to }): ObjectWarning => ({
      reason: 'HOST_TAKEN',
      message: `${host} is not sent, and none of its endpoints: ${to} has that host`,
    }))
    return [...sockets, ...lost]
  }
}

export function workloadEntryWarnings(entries: Collection<EndpointFacts>): OwnWarnings {
  return (_object, fetch, key) => {
    const address = fetch.get(entries, key)?.address
    return address?.kind === 'unix' ? [endpointLeftOut(address.path)] : []
  }
}

function endpointLeftOut(path: string): ObjectWarning {
  return {
    reason: 'ENDPOINT_LEFT_OUT',
    message: `unix://${path} is not sent: a node proxy reaches no other pod’s sockets`,
  }
}
