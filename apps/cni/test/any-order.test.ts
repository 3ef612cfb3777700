/** Whatever happens in whatever order, and wherever the agent is killed: in the end every pod is where it should be. */
import { leakedDescriptors, openDescriptors, requireRoot } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ModelAgent } from './model-agent.ts'
import { ModelNode, type ModelPod } from './model-node.ts'

requireRoot()
const STEP_MS = 250
/** Longer than draining, retries and the looks for sandboxes take together. */
const SETTLED_MS = 60_000
let before: ReturnType<typeof openDescriptors>

beforeEach(() => {
  before = openDescriptors()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
  expect(leakedDescriptors(before)).toEqual([])
})

/** A node with an agent that can be replaced, and the runtime's part of pods' lives. */
class World {
  readonly node = new ModelNode()
  agent: ModelAgent | undefined = this.#newAgent()
  readonly history: string[] = []

  async pass(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
  }

  start(): void {
    this.agent ??= this.#newAgent()
  }

  #newAgent(): ModelAgent {
    const agent = new ModelAgent(this.node, () => {
      if (this.agent !== agent) return
      this.kill()
      setTimeout(() => this.start(), 1000)
    })
    return agent
  }

  async stop(): Promise<void> {
    if (this.agent !== undefined && this.agent.lifetime !== Infinity) return this.kill() // it cannot end in peace
    const stopped = this.agent?.stop()
    this.agent = undefined
    await this.pass(0)
    await stopped
  }

  kill(): void {
    this.agent?.kill()
    this.agent = undefined
  }

  /** A runtime's ADD: the sandbox goes again when it is refused. */
  async add(pod: ModelPod): Promise<void> {
    const sandbox = this.node.newSandbox()
    pod.sandbox = sandbox
    if (this.agent !== undefined && (await this.#answered(this.agent.add(pod, sandbox)))) return
    if (pod.sandbox === sandbox) pod.sandbox = undefined
    await this.#answered(this.agent?.detach(sandbox.containerId))
  }

  async detach(pod: ModelPod): Promise<void> {
    const { sandbox } = pod
    if (sandbox === undefined) return
    pod.sandbox = undefined
    await this.#answered(this.agent?.detach(sandbox.containerId))
  }

  /** Whether a request succeeds in the time that a runtime gives it; a dead agent never answers. */
  async #answered(request: Promise<void> = Promise.resolve()): Promise<boolean> {
    const seen: { isGood?: boolean } = {}
    request.then(
      () => (seen.isGood = true),
      () => (seen.isGood = false),
    )
    for (let waited = 0; waited <= 10_000 && seen.isGood === undefined; waited += STEP_MS)
      await this.pass(waited === 0 ? 0 : STEP_MS)
    return seen.isGood === true
  }

  /** Nothing fails any more; what is wrong then stays wrong. */
  async settle(): Promise<void> {
    const { node } = this
    node.fails = () => false
    node.isZtunnelUp = true
    if (this.agent !== undefined && this.agent.lifetime !== Infinity) this.kill()
    this.start()
    node.snapshot()
    await this.pass(1000)
    for (const pod of node.pods.values()) {
      if (pod.phase === 'Pending') pod.phase = 'Running'
      if (pod.phase === 'Running' && pod.sandbox === undefined) await this.add(pod)
      if (pod.phase === 'Running') pod.ip = pod.sandbox?.ip ?? ''
      node.changed(pod)
    }
    for (let passed = 0; passed < SETTLED_MS; passed += STEP_MS) await this.pass(STEP_MS)
  }

  /** What differs from what should be. */
  faults(): readonly string[] {
    const { node } = this
    const faults = [...node.violations]
    const compare = (what: string, seen: unknown, wanted: unknown): void => {
      if (seen !== wanted) faults.push(`${what}: ${String(seen)}, not ${String(wanted)}`)
    }
    for (const pod of node.pods.values()) {
      const { uid, sandbox, annotation } = pod
      if (pod.phase === 'Succeeded') continue
      const isIn = node.isSelected(pod)
      compare(`redirect of ${uid}`, sandbox?.redirect, isIn ? 'complete' : 'absent')
      compare(`ztunnel for ${uid}`, node.ztunnel.get(uid), isIn ? sandbox?.netns.id().inode : undefined)
      compare(`probe of ${uid}`, node.probes.get(sandbox?.ip ?? ''), isIn ? uid : undefined)
      compare(`annotation of ${uid}`, annotation, isIn ? 'enabled' : undefined)
    }
    const live = [...node.pods.values()].filter((pod) => node.isSelected(pod)).map(({ uid }) => uid)
    const ips = new Set([...node.pods.values()].map(({ sandbox }) => sandbox?.ip))
    for (const uid of node.ztunnel.keys()) if (!live.includes(uid)) faults.push(`ztunnel still has ${uid}`)
    for (const [ip, uid] of node.probes) if (!ips.has(ip)) faults.push(`set still has ${ip} of ${uid}`)
    return faults
  }

  async close(): Promise<void> {
    await this.stop()
    this.node[Symbol.dispose]()
  }
}

type Happening = readonly [weight: number, name: string, act: (world: World, random: RandomBelow) => unknown]
type RandomBelow = (below: number) => number

const pick = (world: World, random: RandomBelow): ModelPod | undefined =>
  [...world.node.pods.values()][random(world.node.pods.size)]

const onPod =
  (act: (world: World, pod: ModelPod, random: RandomBelow) => unknown): Happening[2] =>
  (world, random) => {
    const pod = pick(world, random)
    return pod === undefined ? undefined : act(world, pod, random)
  }

const happenings: readonly Happening[] = [
  [2, 'a pod comes', ({ node }) => void node.newPod()],
  [4, 'ADD', onPod((world, pod) => (pod.sandbox === undefined ? world.add(pod) : undefined))],
  [2, 'DEL', onPod((world, pod) => world.detach(pod))],
  [
    1,
    'a sandbox without us',
    onPod(({ node }, pod) => {
      if (pod.phase === 'Running') pod.sandbox = node.newSandbox()
    }),
  ],
  [
    4,
    'the kubelet reports',
    onPod(({ node }, pod) => {
      if (pod.phase === 'Pending' && pod.sandbox !== undefined) pod.phase = 'Running'
      pod.ip = pod.sandbox?.ip ?? ''
      node.changed(pod)
    }),
  ],
  [
    3,
    'the pod’s label',
    onPod(({ node }, pod, random) => {
      pod.label = (['ambient', 'none', undefined] as const)[random(3)]
      node.changed(pod)
    }),
  ],
  [3, 'the namespace’s label', ({ node }, random) => node.labelNamespace(random(2) === 0)],
  [
    1,
    'a pod ends',
    onPod(({ node }, pod) => {
      pod.phase = 'Succeeded'
      pod.ip = ''
      node.changed(pod)
    }),
  ],
  [1, 'a pod is deleted', onPod((world, pod) => world.node.deletePod(pod))],
  [
    2,
    'ztunnel goes or comes',
    ({ node }) => {
      node.isZtunnelUp = !node.isZtunnelUp
      node.snapshot()
    },
  ],
  [1, 'ztunnel is killed and comes back', ({ node }) => node.restartZtunnel()],
  [2, 'effects begin to fail', ({ node }, random) => void (node.fails = () => random(3) === 0)],
  [2, 'effects work', ({ node }) => void (node.fails = () => false)],
  [1, 'the agent restarts', async (world) => (await world.stop(), world.start())],
  [1, 'the agent is killed', (world) => (world.kill(), world.start())],
  [1, 'the agent stays away', (world) => world.stop()],
  [1, 'the agent comes', (world) => world.start()],
  [
    1,
    'the agent dies at one of its next effects',
    (world, random) => {
      if (world.agent !== undefined) world.agent.lifetime = random(6)
    },
  ],
  [6, 'time passes', (world, random) => world.pass([0, 5, 100, 1000, 6000][random(5)] ?? 0)],
  [1, 'a long time passes', (world) => world.pass(40_000)],
]
const urn = happenings.flatMap((happening) => Array.from({ length: happening[0] }, () => happening))

function seeded(seed: number): RandomBelow {
  let state = seed * 2_654_435_761
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
}

async function liveThrough(
  seed: number,
): Promise<{ readonly faults: readonly string[]; readonly history: readonly string[] }> {
  const random = seeded(seed)
  const world = new World()
  for (let n = 0; n < 40; n++) {
    const [, name, act] = urn[random(urn.length)] ?? expect.fail('something happens')
    world.history.push(name)
    await act(world, random)
  }
  await world.settle()
  const faults = world.faults()
  const history = [...world.history, ...(faults.length === 0 ? [] : (world.agent?.log ?? []))]
  await world.close()
  return { faults, history }
}

test.each(Array.from({ length: 12 }, (_, n) => n))(
  'any order of events converges: seeds from %i0',
  async (tens) => {
    for (let seed = tens * 10; seed < tens * 10 + 10; seed++) {
      const { faults, history } = await liveThrough(seed)
      expect(faults, `seed ${seed}: ${history.join('; ')}`).toEqual([])
    }
  },
)

interface Scenario {
  readonly name: string
  readonly prepare: (world: World) => Promise<void>
  readonly act: (world: World) => unknown
}

/** A pod that runs, and what the API says of it. */
async function running(world: World): Promise<void> {
  const pod = world.node.newPod()
  await world.pass(0)
  await world.add(pod)
  pod.phase = 'Running'
  pod.ip = pod.sandbox?.ip ?? ''
  world.node.changed(pod)
  await world.pass(1000)
}

async function enrolled(world: World): Promise<void> {
  world.node.labelNamespace(true)
  await world.pass(0)
  await running(world)
}

const only = (world: World): ModelPod => [...world.node.pods.values()][0] ?? expect.fail('a pod')

const scenarios: readonly Scenario[] = [
  {
    name: 'a pod is made',
    prepare: (world) => {
      world.node.labelNamespace(true)
      world.node.newPod()
      return world.pass(1000)
    },
    act: (world) => world.add(only(world)),
  },
  {
    name: 'a running pod is enrolled',
    prepare: running,
    act: ({ node }) => node.labelNamespace(true),
  },
  { name: 'a pod leaves the mesh', prepare: enrolled, act: ({ node }) => node.labelNamespace(false) },
  { name: 'a sandbox is taken down', prepare: enrolled, act: (world) => world.detach(only(world)) },
  {
    name: 'a sandbox is made anew without us',
    prepare: enrolled,
    act: ({ node }) => {
      for (const pod of node.pods.values()) {
        pod.sandbox = node.newSandbox()
        pod.ip = pod.sandbox.ip
        node.changed(pod)
      }
    },
  },
  {
    name: 'a pod is deleted',
    prepare: enrolled,
    act: ({ node }) => node.pods.forEach((pod) => node.deletePod(pod)),
  },
]

/** @returns how many effects the agent had, if it lives */
async function play(
  { prepare, act }: Scenario,
  change: (agent: ModelAgent, node: ModelNode) => void,
): Promise<number> {
  const world = new World()
  await world.pass(1000)
  await prepare(world)
  const agent = world.agent ?? expect.fail('an agent')
  const earlier = agent.effects
  change(agent, world.node)
  await act(world)
  await world.pass(8000)
  const { effects } = agent
  await world.settle()
  const faults = world.faults()
  await world.close()
  expect(faults).toEqual([])
  return effects - earlier
}

test.each(scenarios)(
  'an agent that is killed or fails at any step, as $name, leaves nothing that is not put right',
  async (scenario) => {
    const steps = await play(scenario, () => {})
    expect(steps).toBeGreaterThan(2)
    for (let step = 0; step <= steps; step++) {
      await play(scenario, (agent) => (agent.lifetime = step))
      let seen = 0
      await play(scenario, (_, node) => (node.fails = () => seen++ === step))
    }
  },
)
