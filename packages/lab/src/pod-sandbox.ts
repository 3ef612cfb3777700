import { isIpv6 } from '@ambient/model'
import type { CniAttachment, CniResult, CniRuntime } from './cni-runtime.ts'
import { CLUSTER_DOMAIN } from './lab-addresses.ts'
import { type LabNode, NO_DAD } from './lab-node.ts'
import { inCgroup, NamespaceHolder } from './namespace-holder.ts'
import type { PodFiles } from './pod-run.ts'

export interface SandboxDeps {
  readonly node: LabNode
  readonly loopback: CniRuntime
  readonly network: CniRuntime
  readonly nameservers: readonly string[]
  /** 64 hexadecimal digits, new for each. */
  readonly newContainerId: () => string
}

/** The part of a pod that its sandbox is made from. */
export interface SandboxPod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

/** Directories a program may write to; each pod has its own, empty and in memory. */
const PRIVATE_DIRECTORIES = ['/run', '/tmp', '/var/tmp', '/var/log', '/var/lib/nginx', '/var/lib/redis']

/** umount first: a pod must neither see nor keep alive what is mounted below the node's /run. */
const POD_SET_UP = `
umount --recursive --lazy /run
for directory in ${PRIVATE_DIRECTORIES.join(' ')}; do
  [ ! -d $directory ] || mount -t tmpfs -o mode=1777 tmpfs $directory
done
mkdir -p /run/lock /run/pod /var/log/nginx /var/log/redis
mount -t proc proc /proc
echo "$POD_NAME" >/proc/sys/kernel/hostname
printf '%s' "$RESOLV_CONF" >/run/pod/resolv.conf
printf '%s' "$HOSTS" >/run/pod/hosts
for name in resolv.conf hosts; do
  target=$(readlink -m /etc/$name)
  [ -e $target ] || { mkdir -p $(dirname $target); : >$target; }
  mount --bind /run/pod/$name $target
done`

/** A pod's namespaces: its network, made by the CNI chain, and its own mounts, processes and host name. */
export class PodSandbox {
  readonly ips: readonly string[]
  readonly holder: NamespaceHolder
  readonly volumeDirectory: string = '/run/pod/volumes'
  readonly netns: string
  readonly #deps: SandboxDeps
  readonly #attachment: CniAttachment
  readonly #result: CniResult

  private constructor(
    deps: SandboxDeps,
    attachment: CniAttachment,
    made: { result: CniResult; holder: NamespaceHolder },
  ) {
    this.#deps = deps
    this.#attachment = attachment
    this.#result = made.result
    this.holder = made.holder
    this.ips = made.result.ips
    this.netns = attachment.netns
  }

  /** In a runtime's order: network namespace, CNI ADD, then the first process. @throws {CniRefusal} */
  static async create(pod: SandboxPod, deps: SandboxDeps): Promise<PodSandbox> {
    const containerId = deps.newContainerId()
    const name = `cni-${containerId.slice(0, 16)}`
    const attachment = { containerId, netns: `/var/run/netns/${name}`, interfaceName: 'eth0', pod }
    await deps.node.mustRun(['ip', 'netns', 'add', name])
    let result: CniResult | undefined
    if (deps.nameservers.some(isIpv6))
      await deps.node.mustRun(['nsenter', `--net=${attachment.netns}`, 'sh', '-c', NO_DAD])
    try {
      await deps.loopback.add({ ...attachment, interfaceName: 'lo' })
      result = await deps.network.add(attachment)
      const holder = await openHolder({ pod, deps, attachment, ips: result.ips })
      return new PodSandbox(deps, attachment, { result, holder })
    } catch (cause) {
      if (result !== undefined) await deps.network.del(attachment, result.json)
      await removeNetns(deps.node, name)
      throw cause
    }
  }

  /** What runs `argv` in the pod, in a container's cgroup. */
  commandLine(argv: readonly string[], container: string, files: PodFiles = 'own'): readonly string[] {
    const group = `${podCgroup(this.#attachment.pod.uid)}/${container}`
    const entry = files === 'own' ? this.holder.entry : this.holder.entryWithHostFiles
    return inCgroup(this.#deps.node.cgroup(group), [...entry, ...argv])
  }

  get pid(): number {
    return this.holder.pid
  }

  /** Kills all its processes, then CNI DEL, as a runtime does. @throws {CniRefusal} after everything else is taken away */
  async remove(): Promise<void> {
    const { node, network } = this.#deps
    await this.holder[Symbol.asyncDispose]()
    try {
      await network.del(this.#attachment, this.#result.json)
    } finally {
      await removeNetns(node, this.#attachment.netns.replace('/var/run/netns/', ''))
      await node.removeCgroup(podCgroup(this.#attachment.pod.uid))
    }
  }
}

/** As the kubelet's cgroupfs driver names it. */
export function podCgroup(uid: string): string {
  return `kubepods/pod${uid}`
}

interface HolderRequest {
  readonly pod: SandboxPod
  readonly deps: SandboxDeps
  readonly attachment: CniAttachment
  readonly ips: readonly string[]
}

function openHolder({ pod, deps, attachment, ips }: HolderRequest): Promise<NamespaceHolder> {
  const { node } = deps
  return NamespaceHolder.open({
    name: `pod ${pod.namespace}/${pod.name}`,
    within: [...node.holder.entry, 'nsenter', `--net=${attachment.netns}`, '--'],
    unshare: ['--mount', '--uts', '--ipc', '--propagation', 'private'],
    setUp: POD_SET_UP,
    cgroup: node.cgroup(`${podCgroup(pod.uid)}/${attachment.containerId}`),
    env: {
      POD_NAME: pod.name,
      RESOLV_CONF: resolvConf(pod.namespace, deps.nameservers),
      HOSTS: `127.0.0.1 localhost\n::1 localhost\n${ips.map((ip) => `${ip} ${pod.name}\n`).join('')}`,
    },
  })
}

function resolvConf(namespace: string, nameservers: readonly string[]): string {
  const search = [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN]
  return [
    `search ${search.join(' ')}`,
    ...nameservers.map((ip) => `nameserver ${ip}`),
    'options ndots:5',
    '',
  ].join('\n')
}

async function removeNetns(node: LabNode, name: string): Promise<void> {
  await node.run(['ip', 'netns', 'delete', name]) // its only failure is that there is none
}
