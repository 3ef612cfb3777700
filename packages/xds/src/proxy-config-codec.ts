import { encodeProxyConfig } from '@ambient/xds-proto'
import { type EncodedResource, encodedResource } from './encoded-resource.ts'
import { PROXY_CONFIG_TYPE } from './type-urls.ts'

/** Of its type there is one resource only; upstream gives it no name. */
const NAME = 'default'

/**
 * The roots that a proxy is to trust besides its CA's, of whatever trust domains.
 *
 * @param caCertificatesPem One certificate an element.
 */
export function encodeProxyConfigResource(caCertificatesPem: readonly string[]): EncodedResource {
  return encodedResource({ name: NAME, typeUrl: PROXY_CONFIG_TYPE }, encodeProxyConfig({ caCertificatesPem }))
}
