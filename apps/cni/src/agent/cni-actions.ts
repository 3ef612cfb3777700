import { deadline } from '@ambient/lifecycle'
import { CniError } from '../cni-error.ts'
import type { CniActions, Verdict } from '../endpoint/answer-cni.ts'
import type { CniRequest } from '../endpoint/cni-request.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import type { PodReconciler } from './pod-reconciler.ts'
import { podSettings } from './pod-overrides.ts'
import type { PodView } from './pod-view.ts'

export interface CniActionsOptions {
  readonly deps: Pick<
    AgentDeps,
    'cluster' | 'selection' | 'backends' | 'finder' | 'settings' | 'connectionsOf'
  >
  /** Where the agent's own pod runs, which must start without it. */
  readonly podNamespace: string
  /** The reconciler, once the agent has taken over what it found. */
  readonly reconciler: () => PodReconciler | undefined
}

const OWN_POD_PREFIX = 'istio-cni-node-'

/** What the plugin's requests do. */
export function createCniActions(options: CniActionsOptions): CniActions {
  const { deps, reconciler } = options
  const judgePod = (pod: PodView): Verdict => (deps.cluster.wants(pod, deps.selection) ? 'enrol' : 'pass')
  return {
    get isReady() {
      return reconciler() !== undefined
    },
    judge: async (request) =>
      isLetThrough(request, options) ? 'pass' : judgePod(await findPod(request, options)),
    enrol: async (request) => {
      const pod = await findPod(request, options)
      const { netnsPath, containerId } = request
      const ips = addressesOf(request, deps)
      if (ips.length === 0)
        throw new CniError(
          'POD_IP_MISSING',
          'neither the plugins before nor the pod’s namespace has an address',
        )
      await within(cniLimits.addMs, mustBeReady(reconciler).enrolNew({ pod, netnsPath, containerId, ips }))
    },
    check: async (request) => {
      const pod = await findPod(request, options)
      using netns = deps.finder.open(request.netnsPath)
      const [inForce] = reconciler()?.pods.get(pod.uid)?.backends ?? []
      const backend = inForce === undefined ? deps.backends.chosen : deps.backends.byName[inForce]
      const state = await backend.inspect(netns, podSettings(pod.annotations, deps.settings).settings)
      if (state.kind === 'complete') return
      throw new CniError(
        'RULES_NOT_VERIFIED',
        state.kind === 'partial' ? state.missing.join('; ') : `redirection is ${state.kind}`,
      )
    },
    detach: async (containerId) => reconciler()?.detach(containerId),
    detachAllBut: async (containerIds) => {
      const ready = reconciler()
      if (ready === undefined) return // the start looks at everything anyway
      const held = ready.pods.all().flatMap(({ containerId }) => containerId ?? [])
      await Promise.all(held.filter((id) => !containerIds.includes(id)).map((id) => ready.detach(id)))
    },
  }
}

/** Known without asking the cluster: what is no pod, the agent itself, and excluded namespaces. */
function isLetThrough({ pod }: CniRequest, { deps, podNamespace }: CniActionsOptions): boolean {
  if (pod === undefined) return true
  return (
    deps.selection.excludeNamespaces.has(pod.namespace) ||
    (pod.namespace === podNamespace && pod.name.startsWith(OWN_POD_PREFIX))
  )
}

async function findPod(
  { pod: wanted }: CniRequest,
  { deps, reconciler }: CniActionsOptions,
): Promise<PodView> {
  if (wanted === undefined) throw new CniError('CNI_REQUEST_INVALID', 'CNI_ARGS names no pod')
  using limit = deadline(undefined, cniLimits.podKnownMs)
  const found = await deps.cluster.wait(() => {
    const pod = deps.cluster.podByName(wanted.namespace, wanted.name)
    const isMeant =
      pod !== undefined &&
      (wanted.uid === undefined || wanted.uid === pod.uid || wanted.uid === pod.cgroupUid)
    return isMeant && reconciler() !== undefined ? pod : undefined
  }, limit.signal)
  if (found !== undefined) return found
  if (reconciler() === undefined)
    throw new CniError('POD_NOT_FOUND', 'the agent has not yet seen the cluster')
  throw new CniError(
    'POD_NOT_FOUND',
    `Pod ${wanted.namespace}/${wanted.name} with UID ${wanted.uid ?? 'unknown'} is not known on this node`,
  )
}

/** What the plugins before say; as a network of its own, which Multus attaches, we are told nothing and look. */
function addressesOf(
  { ips, prevResult, netnsPath }: CniRequest,
  deps: CniActionsOptions['deps'],
): readonly string[] {
  if (prevResult !== undefined) return ips
  using netns = deps.finder.open(netnsPath)
  return [...deps.connectionsOf(netns).ownIps].filter((ip) => !/^(127\.|::1$|fe80:)/.test(ip))
}

function mustBeReady(reconciler: () => PodReconciler | undefined): PodReconciler {
  const ready = reconciler()
  if (ready === undefined) throw new CniError('POD_NOT_FOUND', 'the agent has not yet seen the cluster')
  return ready
}

/** The work goes on behind a deadline: the runtime takes the sandbox down then, and that waits its turn. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  using limit = deadline(undefined, ms)
  const { promise, reject } = Promise.withResolvers<never>()
  limit.signal.addEventListener('abort', () =>
    reject(new CniError('ZDS_TIMEOUT', `the pod was not enrolled within ${ms} ms`)),
  )
  promise.catch(() => {}) // disposing the deadline aborts it as well
  await Promise.race([work, promise])
}
