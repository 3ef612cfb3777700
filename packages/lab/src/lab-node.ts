import type { CgroupTree } from './cgroup-tree.ts'
import { addressesOf, type LabFamily, nodeIp } from './lab-addresses.ts'
import { inCgroup, NamespaceHolder } from './namespace-holder.ts'
import type { CommandOptions, CommandResult } from './run-command.ts'
import { mustRun, runCommand } from './run-command.ts'

export interface NodeDeps {
  readonly fabric: NamespaceHolder
  readonly cgroups: CgroupTree
  /** How many nodes the lab has: each has a route to the pods of every other. */
  readonly nodes: number
  /** Of pods and services. */
  readonly families: readonly LabFamily[]
}

/** The interface of the fabric that every packet between nodes crosses. */
export const FABRIC_INTERFACE = 'fabric0'

/** Nobody else has our addresses, so that looking for them first would only cost seconds. */
export const NO_DAD = '[ ! -d /proc/sys/net/ipv6 ] || echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'

/** umount first: the host's own namespaces must not live on in our copy of its mounts. */
const FABRIC_SET_UP = `
umount --recursive --lazy /run/netns 2>/dev/null || true
ip link set lo up
${NO_DAD}
ip link add ${FABRIC_INTERFACE} type bridge mcast_snooping 0
ip address add ${addressesOf('ipv4').fabric}/24 dev ${FABRIC_INTERFACE}
ip link set ${FABRIC_INTERFACE} up`

const NODE_SET_UP = `
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
[ -L /var/run ] || mount --bind /run /var/run
mkdir -p /run/netns /run/lock
echo "$NODE_NAME" >/proc/sys/kernel/hostname
echo 1 >/proc/sys/net/ipv4/ip_forward
[ ! -d /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
${NO_DAD}
printf '%s' "$RESOLV_CONF" >/run/resolv.conf
resolv_conf=$(readlink -m /etc/resolv.conf)
[ -e $resolv_conf ] || { mkdir -p $(dirname $resolv_conf); : >$resolv_conf; }
mount --bind /run/resolv.conf $resolv_conf
ip link set lo up`

/** The namespace of the wires between the nodes; everything else of the lab lives and dies with its first process. */
export function openFabric(cgroups: CgroupTree): Promise<NamespaceHolder> {
  return NamespaceHolder.open({
    name: 'the network between the nodes',
    within: [],
    unshare: ['--mount', '--net', '--propagation', 'private'],
    setUp: FABRIC_SET_UP,
    cgroup: cgroups.make('fabric'),
  })
}

/** A machine of its own as far as programs can see: network, mounts, processes, /proc, /run and pod cgroups. */
export class LabNode {
  readonly name: string
  readonly index: number
  readonly ip: string
  readonly holder: NamespaceHolder
  readonly #cgroups: CgroupTree

  private constructor(index: number, holder: NamespaceHolder, cgroups: CgroupTree) {
    this.index = index
    this.name = nodeName(index)
    this.ip = nodeIp(index)
    this.holder = holder
    this.#cgroups = cgroups
  }

  static async open(index: number, deps: NodeDeps): Promise<LabNode> {
    const name = nodeName(index)
    const nameservers = deps.families.map((family) => addressesOf(family).dns)
    const holder = await NamespaceHolder.open({
      name,
      within: deps.fabric.entry,
      unshare: ['--mount', '--net', '--uts', '--ipc', '--cgroup', '--propagation', 'private'],
      setUp: NODE_SET_UP,
      env: { NODE_NAME: name, RESOLV_CONF: nameservers.map((ip) => `nameserver ${ip}\n`).join('') },
      cgroup: deps.cgroups.make(name),
    })
    const node = new LabNode(index, holder, deps.cgroups)
    await node.#connect(deps)
    return node
  }

  /** Runs a program on the node, outside any pod. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return runCommand(this.commandLine(argv), options)
  }

  /** @throws {LabError} `COMMAND_FAILED` for any status but 0 */
  mustRun(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return mustRun(this.commandLine(argv), options)
  }

  /** What runs `argv` on the node; in the cgroup `group` of the node when given. */
  commandLine(argv: readonly string[], group = ''): readonly string[] {
    return inCgroup(this.#cgroups.make(`${this.name}/${group}`), [...this.holder.entry, ...argv])
  }

  /** The `cgroup.procs` files of a cgroup of this node. */
  cgroup(group: string): readonly string[] {
    return this.#cgroups.make(`${this.name}/${group}`)
  }

  removeCgroup(group: string): Promise<void> {
    return this.#cgroups.remove(`${this.name}/${group}`)
  }

  /** Lays the cable to the fabric. There is no default route: nothing that is not the lab's can be reached. */
  async #connect(deps: NodeDeps): Promise<void> {
    const port = `port-${this.name}`
    await mustRun([...deps.fabric.networkEntry, 'ip', '-batch', '-'], {
      input: [
        `link add ${port} type veth peer name eth0 netns ${this.holder.pid}`,
        `link set ${port} master ${FABRIC_INTERFACE} up`,
      ].join('\n'),
    })
    const others = Array.from({ length: deps.nodes }, (_, n) => n + 1).filter((index) => index !== this.index)
    await this.mustRun(['ip', '-batch', '-'], {
      input: [
        `address add ${this.ip}/24 dev eth0`,
        ...(deps.families.includes('ipv6')
          ? [`address add ${addressesOf('ipv6').node(this.index)}/64 dev eth0`]
          : []),
        'link set eth0 up',
        ...deps.families.flatMap((family) => [
          `route add ${addressesOf(family).services} dev eth0`,
          ...others.map(
            (index) => `route add ${addressesOf(family).pods(index)} via ${addressesOf(family).node(index)}`,
          ),
        ]),
      ].join('\n'),
    })
  }
}

/** Node 0 has the control plane on it and no pods: its ports are nobody else's, as istiod's are in a cluster. */
export function nodeName(index: number): string {
  return index === 0 ? 'control' : `node${index}`
}
