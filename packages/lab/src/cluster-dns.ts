import { writeFileSync } from 'node:fs'
import { addressesOf, CLUSTER_DOMAIN, type LabFamily } from './lab-addresses.ts'
import type { LabNode } from './lab-node.ts'
import { LabProcess } from './lab-process.ts'
import type { ServiceEndpoints } from './service-endpoints.ts'

/** Names of services as lines of a hosts file; of a headless one, every ready pod. Pure. */
export function dnsHosts(services: readonly ServiceEndpoints[]): string {
  const lines = services.flatMap(({ namespace, name, clusterIps, podIps }) => {
    const ips = clusterIps.length > 0 ? clusterIps : podIps
    return ips.map((ip) => `${ip} ${name}.${namespace}.svc.${CLUSTER_DOMAIN}`)
  })
  return `${lines.join('\n')}\n`
}

/** Names of the world outside, which no mesh knows and nothing in a lab can reach; one of more addresses than a datagram holds. */
const OUTSIDE_HOSTS = [
  '192.0.2.1 outside.test',
  '2001:db8::1 outside.test',
  ...Array.from({ length: 60 }, (_, i) => `198.51.100.${i + 1} many.outside.test`),
].join('\n')

export interface DnsOptions {
  readonly node: LabNode
  /** Those it can be asked over. */
  readonly families: readonly LabFamily[]
  readonly hostsFile: string
  readonly logFile: string
}

/** Cluster DNS: one dnsmasq a node, each at the same service address, so that no question crosses the wires between nodes. */
export class ClusterDns {
  readonly #hostsFile: string
  readonly #process: LabProcess

  private constructor(hostsFile: string, process: LabProcess) {
    this.#hostsFile = hostsFile
    this.#process = process
  }

  static async open({ node, families, hostsFile, logFile }: DnsOptions): Promise<ClusterDns> {
    const outsideFile = `${hostsFile}.outside`
    writeFileSync(hostsFile, '')
    writeFileSync(outsideFile, `${OUTSIDE_HOSTS}\n`)
    const ips = families.map((family) => addressesOf(family).dns)
    for (const ip of ips) await node.mustRun(['ip', 'address', 'add', ip, 'dev', 'lo'])
    const argv = [
      ...[
        'dnsmasq',
        '--keep-in-foreground',
        '--conf-file=/dev/null',
        '--no-resolv',
        '--no-hosts',
        '--log-facility=-',
      ],
      ...[
        '--user=root',
        '--group=',
        '--pid-file=',
        '--bind-interfaces',
        ...ips.map((ip) => `--listen-address=${ip}`),
      ],
      ...[
        `--local=/${CLUSTER_DOMAIN}/`,
        '--address=/#/',
        '--local-ttl=1',
        `--addn-hosts=${outsideFile}`,
        `--addn-hosts=${hostsFile}`,
      ],
    ]
    const process = await LabProcess.start({
      name: `dns@${node.name}`,
      argv: node.commandLine(argv, 'dns'),
      logFile,
    })
    await process.waitForLog(/read \S*hosts/, 5_000)
    return new ClusterDns(hostsFile, process)
  }

  /** From now on it answers from `hosts`. */
  async replace(hosts: string): Promise<void> {
    writeFileSync(this.#hostsFile, hosts)
    await this.#process.kill('SIGHUP')
  }
}
