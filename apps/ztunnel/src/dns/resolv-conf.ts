import { canonicalIp } from '@ambient/model'
import { DNS_LIMITS } from './dns-limits.ts'

const DNS_PORT = 53

/**
 * The name servers of a resolv.conf, in its order. Options and search lists are not for us: whoever asks has applied
 * them. A server with a zone (`fe80::1%eth0`) is of the file's own machine and is left out. Pure.
 *
 * @see resolv.conf(5)
 */
export function nameserversOf(text: string): readonly { readonly ip: string; readonly port: number }[] {
  return text
    .split('\n')
    .flatMap((line) => {
      const [keyword, address = ''] = line.trim().split(/\s+/)
      const ip = keyword === 'nameserver' ? canonicalIp(address) : undefined
      return ip === undefined ? [] : [{ ip, port: DNS_PORT }]
    })
    .slice(0, DNS_LIMITS.dnsNameservers.value)
}
