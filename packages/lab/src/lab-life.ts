import { readdirSync, readlinkSync } from 'node:fs'
import { Scope } from '@ambient/lifecycle'
import type { LabFamily } from './lab-addresses.ts'
import { LabError } from './lab-error.ts'
import type { LabNode } from './lab-node.ts'
import { cgroupName, newLabId, removeTraces, tracesOf, writeRecord } from './lab-state.ts'
import type { LabId } from './lab-state.ts'
import type { NamespaceHolder } from './namespace-holder.ts'
import type { PodRun } from './pod-run.ts'
import { waitFor } from './wait-for.ts'

/** After SIGKILL. */
const ENDING_MS = 10_000

/** From the first directory of a lab to its last trace. */
export class LabLife {
  readonly id: LabId = newLabId()
  /** Everything of this process that serves the lab. */
  readonly scope: Scope = new Scope()
  /** With it, all other processes of the lab end. */
  fabric: NamespaceHolder | undefined
  nodes: readonly LabNode[] = []
  families: readonly LabFamily[] = []
  pods: () => readonly PodRun[] = () => []
  isReady = false
  /** Every network namespace it has had, as `/proc/PID/ns/net` names them. */
  readonly #namespaces = new Set<string>()
  #ending: Promise<void> | undefined

  get isEnding(): boolean {
    return this.#ending !== undefined
  }

  /** Tells other processes how the lab is. */
  record(): void {
    if (this.isEnding) return
    const ofPods = this.pods().flatMap(({ spec, sandbox }) => {
      return sandbox === undefined || spec.hostNetwork
        ? []
        : [[`${spec.namespace}/${spec.name}`, sandbox.pid] as const]
    })
    const ofNodes = this.nodes.map((node) => [node.name, node.holder.pid] as const)
    for (const network of [...ofNodes, ...ofPods].map(([, pid]) => networkOf(pid))) {
      if (network !== undefined) this.#namespaces.add(network)
    }
    writeRecord({
      id: this.id,
      isReady: this.isReady,
      families: this.families,
      namespaces: Object.fromEntries([...ofNodes, ...ofPods]),
    })
  }

  /** Ends everything, once. @throws {LabError} `LEFT_BEHIND` when something of the lab is still there */
  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  /** The processes first: nothing that waits for one of them then waits long. */
  async #end(): Promise<void> {
    const inside = inhabitants(this.#namespaces)
    await this.fabric?.[Symbol.asyncDispose]()
    await this.scope[Symbol.asyncDispose]()
    const expected = new Set(tracesOf(this.id).filter((path) => path.includes(cgroupName(this.id))))
    const strays = tracesOf(this.id).filter((path) => !expected.has(path))
    await removeTraces(this.id)
    // Of those that were inside: the number of a namespace that is gone may be another's at once.
    const stayed = await this.#stayed(inside)
    const left = [...strays, ...tracesOf(this.id), ...stayed]
    if (left.length > 0) throw new LabError('LEFT_BEHIND', `The lab left ${[...new Set(left)].join(', ')}`)
  }

  /** Those of `inside` that do not end: what was killed needs a moment for it on a busy machine. */
  async #stayed(inside: readonly string[]): Promise<readonly string[]> {
    const stayed = (): readonly string[] =>
      inhabitants(this.#namespaces).filter((name) => inside.includes(name))
    await waitFor('all processes of the lab to end', () => stayed().length === 0, ENDING_MS).catch(() => {})
    return stayed() // they are named in the error
  }
}

/** Processes that still are in one of these network namespaces. */
function inhabitants(namespaces: ReadonlySet<string>): readonly string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((pid) => namespaces.has(networkOf(Number(pid)) ?? '')).map((pid) => `process ${pid}`)
}

function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined // it has ended
  }
}
