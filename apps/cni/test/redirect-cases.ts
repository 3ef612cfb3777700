import type { RedirectSettings } from '../src/redirect/redirect-backend.ts'

export const plainSettings: RedirectSettings = {
  ipv6: true,
  dnsCapture: false,
  ingressOnly: false,
  virtualInterfaces: [],
  probe: { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' },
}

/** The settings that every backend's golden rules exist for; `name` is that of their file. */
export const redirectCases: readonly { readonly name: string; readonly settings: RedirectSettings }[] = [
  { name: 'default', settings: plainSettings },
  { name: 'dns', settings: { ...plainSettings, dnsCapture: true } },
  { name: 'ingress', settings: { ...plainSettings, ingressOnly: true } },
  { name: 'virtual-interfaces', settings: { ...plainSettings, virtualInterfaces: ['tap0', 'br-vm'] } },
  {
    name: 'ingress-dns-virtual',
    settings: { ...plainSettings, dnsCapture: true, ingressOnly: true, virtualInterfaces: ['tap0'] },
  },
]
