import type { AddressInfo } from 'node:net'

/** Whether a server listens on a port, and not on a path or not at all. */
export function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}
