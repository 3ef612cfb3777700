/**
 * The CNI agent's two acts for a pod, done by hand: ZDS Add, then the rules of the agent's own redirect backend.
 * It stands in until scenarios run the agent itself.
 */
import { EventLoop } from '@ambient/event-loop'
import { NetworkNamespace, openFile } from '@ambient/linux'
import { ZdsServer } from '@ambient/zds'
import { IptablesBackend } from '../../apps/cni/src/redirect/iptables-backend.ts'
import { podSysctls } from '../../apps/cni/src/redirect/pod-sysctls.ts'
import { createProgramRunner } from '../../apps/cni/src/redirect/run-program.ts'

const SETTINGS = {
  ipv6: false,
  dnsCapture: false,
  ingressOnly: false,
  virtualInterfaces: [],
  probe: { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' },
}
const TURN_MS = 2

export interface EnrolledPod {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  /** Its network namespace under /run/netns. */
  readonly netns: string
}

export class AgentStandIn implements Disposable {
  readonly #loop = new EventLoop()
  readonly #server: ZdsServer
  readonly #timer: NodeJS.Timeout
  readonly #backend: IptablesBackend

  constructor(socketPath: string, directory: string) {
    this.#server = new ZdsServer(this.#loop, {
      path: socketPath,
      onConnections: () => {},
      onRefused: () => {},
    })
    this.#timer = setInterval(() => this.#loop.turn(0), TURN_MS)
    this.#backend = new IptablesBackend({
      run: createProgramRunner({ maxRunning: 2, maxOutputBytes: 1 << 20, deadlineMs: 10_000 }),
      sysctls: podSysctls('/proc'),
      lockDirectory: directory,
    })
  }

  get connections(): number {
    return this.#server.connectionCount
  }

  async enrol(pod: EnrolledPod): Promise<void> {
    const { uid, name, namespace, serviceAccount } = pod
    using netns = NetworkNamespace.open(`/run/netns/${pod.netns}`)
    this.#backend.reservePorts(netns)
    const added = Promise.withResolvers<void>()
    this.#server.add(
      { uid, info: { name, namespace, serviceAccount }, netns: openFile(`/run/netns/${pod.netns}`) },
      (result) => {
        if (result.kind === 'acked') added.resolve()
        else added.reject(new Error(`ztunnel did not take ${name}: ${JSON.stringify(result)}`))
      },
    )
    await added.promise
    await this.#backend.apply(netns, SETTINGS, 'running')
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#server[Symbol.dispose]()
    this.#loop[Symbol.dispose]()
  }
}
