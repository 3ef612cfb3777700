import { canonicalIp } from '@ambient/model'
import { DNS_LIMITS } from './dns-limits.ts'

const DNS_PORT = 53
const MAX_SEARCH_DOMAINS = 32

/**
 * The name servers of a resolv.conf, in its order. Options are not for us: whoever asks has applied them. A
 * server with a zone (`fe80::1%eth0`) or on loopback is of the file's own machine and is left out: in a pod's
 * namespace nobody answers there. Pure.
 *
 * @see resolv.conf(5)
 */
export function nameserversOf(text: string): readonly { readonly ip: string; readonly port: number }[] {
  return text
    .split('\n')
    .flatMap((line) => {
      const [keyword, address = ''] = line.trim().split(/\s+/)
      const ip = keyword === 'nameserver' ? canonicalIp(address) : undefined
      return ip === undefined || isLoopback(ip) ? [] : [{ ip, port: DNS_PORT }]
    })
    .slice(0, DNS_LIMITS.dnsNameservers.value)
}

/** The search list of a resolv.conf, in lower case and without last dots: of several lines the last one counts. Pure. */
export function searchDomainsOf(text: string): readonly string[] {
  const lists = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([keyword]) => keyword === 'search' || keyword === 'domain')
  const [, ...domains] = lists.at(-1) ?? []
  return domains
    .map((domain) => domain.toLowerCase().replace(/\.$/, ''))
    .filter((domain) => domain !== '')
    .slice(0, MAX_SEARCH_DOMAINS)
}

function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.')
}
