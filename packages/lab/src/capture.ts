import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { LabError } from './lab-error.ts'
import { FABRIC_INTERFACE } from './lab-node.ts'
import { nodeIp } from './lab-addresses.ts'
import { LabProcess } from './lab-process.ts'
import { inCgroup } from './namespace-holder.ts'
import type { NamespaceHolder } from './namespace-holder.ts'
import { readPcap, tcpStreams } from './pcap-reader.ts'
import type { TcpPacket } from './pcap-reader.ts'
import { mustRun } from './run-command.ts'
import { waitFor } from './wait-for.ts'

export interface CaptureOptions {
  readonly fabric: NamespaceHolder
  readonly cgroup: readonly string[]
  /** Both made anew. */
  readonly pcapFile: string
  readonly logFile: string
}

const PROOF_DEADLINE_MS = 5_000

/**
 * Everything that crosses the link between the nodes, unfiltered. It counts for something only because it proves to be
 * live: before `open` returns and before each answer, a datagram known to us is sent and must be in the file; since
 * frames are written in order, all that was sent earlier is in the file too.
 */
export class Capture implements AsyncDisposable {
  readonly #options: CaptureOptions
  readonly #tcpdump: LabProcess

  private constructor(options: CaptureOptions, tcpdump: LabProcess) {
    this.#options = options
    this.#tcpdump = tcpdump
  }

  /** @throws {LabError} `TIMEOUT` when it does not see what we sent */
  static async open(options: CaptureOptions): Promise<Capture> {
    writeFileSync(options.pcapFile, '')
    const argv = [
      ...[
        'tcpdump',
        '-i',
        FABRIC_INTERFACE,
        '-n',
        '-s',
        '0',
        '-U',
        '--immediate-mode',
        '-B',
        '32768',
        '-Z',
        'root',
      ],
      ...['-w', options.pcapFile],
    ]
    const tcpdump = await LabProcess.start({
      name: 'the capture between the nodes',
      argv: inCgroup(options.cgroup, [...options.fabric.entry, ...argv]),
      logFile: options.logFile,
    })
    const capture = new Capture(options, tcpdump)
    await tcpdump.waitForLog(/listening on/, PROOF_DEADLINE_MS)
    await capture.prove()
    return capture
  }

  /** Makes sure that all that crossed the link until now is in the file. @throws {LabError} `TIMEOUT` */
  async prove(): Promise<void> {
    const marker = `capture is live ${randomBytes(12).toString('hex')}`
    const send = [
      ...this.#options.fabric.networkEntry,
      'bash',
      '--norc',
      '-c',
      `echo "$1" >/dev/udp/${nodeIp(1)}/9`,
      'bash',
      marker,
    ]
    await mustRun(send)
    await waitFor(
      'the capture to see a datagram we sent',
      () => this.#file().includes(marker),
      PROOF_DEADLINE_MS,
    )
  }

  /** Every TCP packet so far, in order. */
  async packets(): Promise<readonly TcpPacket[]> {
    await this.prove()
    return [...readPcap(this.#file())].flatMap(({ tcp }) => tcp ?? [])
  }

  /** Whether `marker` crossed the link in any frame, or cut up over several packets of one connection. */
  async holds(marker: string): Promise<boolean> {
    const packets = await this.packets()
    return (
      this.#file().includes(marker) ||
      [...tcpStreams(packets).values()].some((bytes) => Buffer.from(bytes).includes(marker))
    )
  }

  /**
   * Ends it. What it saw stays readable until the lab goes down.
   *
   * @throws {LabError} `CAPTURE_UNPROVEN` when the kernel had to drop frames
   */
  async stop(): Promise<void> {
    if (!this.#tcpdump.isRunning) return
    await this.prove()
    await this.#tcpdump.kill('SIGINT')
    const dropped = /(\d+) packets? dropped by kernel/.exec(this.#tcpdump.logs())?.[1]
    if (dropped !== '0')
      throw new LabError(
        'CAPTURE_UNPROVEN',
        `The capture lost packets, ${dropped ?? 'nobody knows how many'}`,
      )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tcpdump[Symbol.asyncDispose]()
  }

  #file(): Buffer {
    return readFileSync(this.#options.pcapFile)
  }
}
