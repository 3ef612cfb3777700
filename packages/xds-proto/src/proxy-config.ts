import { istio } from './generated/messages.js'

const { ProxyConfig } = istio.mesh.v1alpha1

/** What proxies of several roots are told to trust: PEM, a certificate an element. */
export interface WireProxyConfig {
  readonly caCertificatesPem: readonly string[]
}

export function encodeProxyConfig({ caCertificatesPem }: WireProxyConfig): Uint8Array {
  return ProxyConfig.encode({ caCertificatesPem: [...caCertificatesPem] }).finish()
}

/** @throws {Error} when the bytes are no such message. */
export function decodeProxyConfig(bytes: Uint8Array): WireProxyConfig {
  return { caCertificatesPem: ProxyConfig.decode(bytes).caCertificatesPem }
}
