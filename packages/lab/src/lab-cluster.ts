import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileResources } from '@ambient/kube'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { CgroupTree } from './cgroup-tree.ts'
import { ClusterDns } from './cluster-dns.ts'
import { ClusterNetwork } from './cluster-network.ts'
import { CniRuntime, configuredNetwork, loopbackNetwork, podNetwork, type PodSubnet } from './cni-runtime.ts'
import { newContainerId } from './container-id.ts'
import { Kubelet } from './kubelet.ts'
import { addressesOf, type LabFamily } from './lab-addresses.ts'
import { LabError } from './lab-error.ts'
import type { LabLife } from './lab-life.ts'
import { LabNode, openFabric } from './lab-node.ts'
import { cgroupName, makeLabDirectory, nodeDirectories } from './lab-state.ts'
import type { LabId, NodeDirectories } from './lab-state.ts'
import { ManifestStore } from './manifest-store.ts'
import type { NamespaceHolder } from './namespace-holder.ts'
import { PodSandbox } from './pod-sandbox.ts'
import { CNI_PLUGIN_DIR } from './requirements.ts'
import { TokenIssuer } from './token-issuer.ts'

export interface ClusterOptions {
  readonly id: LabId
  readonly nodes: number
  /** Of pods and services, the primary one first. */
  readonly families: readonly LabFamily[]
  readonly report: (message: string) => void
  readonly onChange: () => void
}

/** The parts of a running lab. */
export interface LabCluster {
  readonly directory: string
  readonly configDirectory: string
  readonly jwksFile: string
  readonly fabric: NamespaceHolder
  readonly cgroups: CgroupTree
  /** By their index: node 0 is the control plane's. */
  readonly nodes: readonly LabNode[]
  readonly store: ManifestStore
  readonly resources: FileResources
  readonly kubelet: Kubelet
}

/** Starts everything a cluster has before any pod; `life` owns all of it. */
export async function openCluster(options: ClusterOptions, life: LabLife): Promise<LabCluster> {
  const directory = makeLabDirectory(options.id)
  const configDirectory = join(directory, 'config')
  const jwksFile = join(directory, 'jwks.json')
  const cgroups = CgroupTree.create(cgroupName(options.id))
  const [resources, tokens, wires] = await Promise.all([
    FileResources.open({
      directory: configDirectory,
      clock: systemClock,
      report: ({ message }) => options.report(message),
    }),
    TokenIssuer.create(systemClock),
    openNodes(options, cgroups, life),
  ])
  life.scope.use(resources)
  writeFileSync(jwksFile, JSON.stringify(tokens.jwks))
  const { fabric, nodes } = wires
  const workers = nodes.filter(({ index }) => index > 0)
  const store = new ManifestStore({
    directory: configDirectory,
    nodes: workers.map(({ name }) => name),
    families: options.families,
    clock: systemClock,
  })
  for (const { index, name } of workers)
    configurePrimary(nodeDirectories(directory, name), subnetsOf(index, options.families))
  const withDns = await Promise.all(
    workers.map(async (node) => ({ node, dns: await openDns(node, options.families, directory) })),
  )
  life.scope.use(
    await ClusterNetwork.open({
      resources,
      nodes: withDns,
      families: options.families,
      report: options.report,
    }),
  )
  const kubelet = life.scope.use(
    new Kubelet({
      resources,
      nodes: new Map(nodes.map((node) => [node.name, node])),
      openSandbox: sandboxes(directory, options.families),
      tokens,
      logFile: (pod, container) => join(directory, 'logs', `${pod.namespace}.${pod.name}.${container}.log`),
      volumeDirectory: (pod) => join(directory, 'pods', `${pod.namespace}.${pod.name}`),
      onChange: options.onChange,
      forget: (ref) => Promise.resolve(store.remove(ref)),
      report: options.report,
      clock: systemClock,
      random: systemRandom,
    }),
  )
  life.pods = () => kubelet.pods()
  return { directory, configDirectory, jwksFile, fabric, cgroups, nodes, store, resources, kubelet }
}

async function openNodes(
  { nodes: count, families }: ClusterOptions,
  cgroups: CgroupTree,
  life: LabLife,
): Promise<{ readonly fabric: NamespaceHolder; readonly nodes: readonly LabNode[] }> {
  const fabric = await openFabric(cgroups)
  life.fabric = fabric
  const opening = Array.from({ length: count + 1 }, (_, n) =>
    LabNode.open(n, { fabric, cgroups, nodes: count, families }),
  )
  life.nodes = await Promise.all(opening)
  return { fabric, nodes: life.nodes }
}

function openDns(node: LabNode, families: readonly LabFamily[], directory: string): Promise<ClusterDns> {
  return ClusterDns.open({
    node,
    families,
    hostsFile: join(directory, 'dns', `${node.name}.hosts`),
    logFile: join(directory, 'logs', `dns.${node.name}.log`),
  })
}

function subnetsOf(node: number, families: readonly LabFamily[]): readonly PodSubnet[] {
  return families.map((family) => ({
    subnet: addressesOf(family).pods(node),
    everywhere: addressesOf(family).everywhere,
  }))
}

function configurePrimary(of: NodeDirectories, subnets: readonly PodSubnet[]): void {
  for (const path of [of.networks, of.plugins]) mkdirSync(path, { recursive: true })
  writeFileSync(join(of.networks, '10-lab.conflist'), JSON.stringify(podNetwork(subnets)))
}

function sandboxes(
  directory: string,
  families: readonly LabFamily[],
): (pod: { namespace: string; name: string; uid: string }, node: LabNode) => Promise<PodSandbox> {
  return ({ namespace, name, uid }, node) => {
    const { networks, plugins } = nodeDirectories(directory, node.name)
    const directories = [CNI_PLUGIN_DIR, plugins]
    const findPlugin = (type: string): string => {
      const found = directories.map((path) => join(path, type)).find((path) => existsSync(path))
      if (found === undefined)
        throw new LabError('NOT_FOUND', `There is no CNI plugin ${type} in ${directories.join(' or ')}`)
      return found
    }
    const deps = { run: node.run.bind(node), findPlugin, pluginPath: directories.join(':') }
    return PodSandbox.create(
      { namespace, name, uid },
      {
        node,
        loopback: new CniRuntime(() => loopbackNetwork, deps),
        network: new CniRuntime(() => configuredNetwork(networks), deps),
        nameservers: families.map((family) => addressesOf(family).dns),
        newContainerId,
      },
    )
  }
}
