import { NetworkNamespace } from '@ambient/linux'
import { podSysctls } from '../src/redirect/pod-sysctls.ts'
import { inNetns, ip } from './node-rules.ts'

let numbers = 0

/** A named network namespace of one test, with `lo` up. */
export class ScratchNetns implements Disposable {
  readonly name: string = `cnird${process.pid}n${++numbers}`
  readonly netns: NetworkNamespace
  readonly sysctls: ReturnType<typeof podSysctls> = podSysctls('/proc')

  constructor() {
    ip('netns', 'add', this.name)
    ip('-n', this.name, 'link', 'set', 'lo', 'up')
    this.netns = NetworkNamespace.open(`/run/netns/${this.name}`)
  }

  /** Runs a program inside. */
  run(...words: readonly string[]): string {
    return inNetns(this.name, ...words)
  }

  ip(...words: readonly string[]): string {
    return ip('-n', this.name, ...words)
  }

  sysctl(name: string): string | undefined {
    return this.sysctls.read(this.netns, name)
  }

  /** The packet rules as every program sees them. */
  rules(): string {
    return packetRules(this.name)
  }

  /** Where packets are looked at, by nftables and iptables' nft flavour. */
  hooks(): string {
    return this.run('nft', 'list', 'ruleset').replaceAll(/^table .*\{\n\}\n/gm, '')
  }

  /** Everything that an agent may change in a pod. */
  everything(): string {
    const values = ['net/ipv4/ip_local_reserved_ports', 'net/netfilter/nf_conntrack_tcp_loose'].map((each) =>
      this.sysctl(each),
    )
    return [allRules(this.name), ...values].join('\n--\n')
  }

  [Symbol.dispose](): void {
    this.netns[Symbol.dispose]()
    ip('netns', 'del', this.name)
  }
}

/** The packet rules of a namespace as every program sees them; tables without a rule, a chain or a policy are as good as absent. */
function packetRules(netns: string): string {
  const saved = ['iptables', 'ip6tables'].flatMap((program) =>
    ['nft', 'legacy'].map((flavour) => withoutEmpty(inNetns(netns, `${program}-${flavour}-save`))),
  )
  return [...saved, inNetns(netns, 'nft', '--stateless', 'list', 'ruleset', 'inet')].join('\n--\n')
}

/** Packet rules, routing rules and routes. */
export function allRules(netns: string): string {
  const routes = ['-4', '-6'].flatMap((family) => [
    ip('-n', netns, family, 'rule'),
    ip('-n', netns, family, 'route', 'show', 'table', 'all'),
  ])
  return [packetRules(netns), ...routes].join('\n--\n')
}

function withoutEmpty(saved: string): string {
  return saved
    .split('\n')
    .filter(
      (line) =>
        !line.startsWith('#') && !/^:\w+ ACCEPT/.test(line) && line !== 'COMMIT' && !line.startsWith('*'),
    )
    .join('\n')
}
