import { fileURLToPath } from 'node:url'
import { execFileSync } from 'node:child_process'
import {
  KernelObject,
  readCounters,
  type RedirectCause,
  type RedirectMap,
  redirectObject,
  type RedirectProgram,
  testRun,
  writeOwnAddresses,
  writeSettings,
} from '@ambient/bpf'
import { closeDescriptor, listenOn, MESH_MARK, NetworkNamespace } from '@ambient/linux'
import { type Frame, frameBytes } from './frames.ts'

/** What the set-up builds; without it every test here fails and says so. */
export const OBJECT: string = fileURLToPath(new URL('../../../bpf/dist/redirect.o', import.meta.url))
export const PROBE = { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' } as const
export const POD = { v4: '10.1.1.1', v6: 'fd01::1' } as const
export const MESH_PORTS = { outbound: 15_001, inbound: 15_006, dns: 15_053 } as const

export type Redirect = KernelObject<RedirectProgram, RedirectMap>

/** What became of a packet: the cause that was counted for it, or `pass`. */
export type Outcome = RedirectCause | 'pass'

/** The programs with a pod's settings, and a namespace in which ztunnel's listeners may be. */
export class SteeredPod implements Disposable {
  readonly netns: NetworkNamespace = NetworkNamespace.create()
  readonly redirect: Redirect
  readonly #listeners: number[] = []
  #counted: ReadonlyMap<RedirectCause, number>

  constructor({ dnsCapture = true, isReady = true }: { dnsCapture?: boolean; isReady?: boolean } = {}) {
    inNamespace(this.netns, 'ip', 'link', 'set', 'lo', 'up')
    this.redirect = KernelObject.load(OBJECT, redirectObject)
    writeOwnAddresses(this.redirect.map('own_addresses'), Object.values(POD))
    if (isReady)
      writeSettings(this.redirect.map('settings'), {
        probe: PROBE,
        mark: MESH_MARK,
        mask: 0xfff,
        dnsCapture,
      })
    this.#counted = this.counters()
  }

  /** ztunnel's part of the pod begins to listen. */
  listen(ports: readonly number[] = Object.values(MESH_PORTS)): void {
    for (const port of ports)
      this.#listeners.push(
        this.netns.enter(() => listenOn({ ip: '::', port }, { reusePort: true, mark: MESH_MARK })),
      )
  }

  counters(): ReadonlyMap<RedirectCause, number> {
    return readCounters(this.redirect.map('counters'))
  }

  /** Shows one packet to a program, and nobody else. */
  show(program: RedirectProgram, frame: Frame | Uint8Array, mark = 0): Outcome {
    const bytes = frame instanceof Uint8Array ? frame : frameBytes(frame)
    const { verdict } = testRun(this.redirect.program(program), { frame: bytes, mark, netns: this.netns })
    const before = this.#counted
    this.#counted = this.counters()
    const changed = [...this.#counted].filter(([cause, count]) => count !== before.get(cause))
    const [cause] = changed[0] ?? []
    if (changed.length > 1) throw new Error(`counted more than once: ${JSON.stringify(changed)}`)
    if ((verdict === 2) !== (cause?.startsWith('drop_') ?? false))
      throw new Error(`verdict ${verdict} with ${cause ?? 'nothing'} counted`)
    return cause ?? 'pass'
  }

  [Symbol.dispose](): void {
    for (const fd of this.#listeners) closeDescriptor(fd)
    this.redirect[Symbol.dispose]()
    this.netns[Symbol.dispose]()
  }
}

/** Runs a program in a namespace that has no name. */
export function inNamespace(netns: NetworkNamespace, program: string, ...args: readonly string[]): string {
  const path = `/proc/${process.pid}/fd/${netns.fd}`
  return execFileSync('nsenter', [`--net=${path}`, program, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
