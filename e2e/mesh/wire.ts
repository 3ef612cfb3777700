import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '@ambient/testkit'
import { NamespaceProcess, run } from './processes.ts'

/** Everything that crosses the link, unfiltered, from `start` to `stop`. */
export class WireCapture {
  readonly #file: string
  readonly #tcpdump: NamespaceProcess
  readonly #namespace: string

  private constructor(namespace: string, file: string) {
    this.#namespace = namespace
    this.#file = file
    this.#tcpdump = new NamespaceProcess(namespace, [
      'tcpdump',
      '-i',
      'any',
      '--immediate-mode',
      '-U',
      '-s',
      '0',
      '-B',
      '16384',
      '-w',
      file,
    ])
  }

  /** Begins, and waits until a packet of its own was seen: a capture that sees nothing proves nothing. */
  static async start(namespace: string, directory: string, name: string): Promise<WireCapture> {
    const capture = new WireCapture(namespace, join(directory, `${name}.pcap`))
    await waitFor('tcpdump to listen', () => capture.#tcpdump.output.includes('listening on'), {
      deadlineMs: 5000,
    })
    await capture.#see('canary-first')
    return capture
  }

  /** Ends it. @returns How often `marker` is readable, and the TCP packets between pods as tcpdump prints them. */
  async stop(marker: string): Promise<{ readonly markers: number; readonly podPackets: readonly string[] }> {
    await this.#see('canary-last') // and with it everything before it
    await this.#tcpdump.stop('SIGINT')
    const bytes = readFileSync(this.#file).toString('latin1')
    const { stdout } = await run(this.#namespace, [
      'tcpdump',
      '-nn',
      '-q',
      '-r',
      this.#file,
      'tcp and src net 10.99.0.20/30 and dst net 10.99.0.20/30',
    ])
    rmSync(this.#file)
    return {
      markers: bytes.split(marker).length - 1,
      podPackets: stdout.split('\n').filter((line) => line !== ''),
    }
  }

  async #see(canary: string): Promise<void> {
    await waitFor(
      `the capture to see ${canary}`,
      async () => {
        await run(this.#namespace, ['bash', '-c', `echo ${canary} >/dev/udp/10.99.0.11/9`])
        return readFileSync(this.#file).includes(canary)
      },
      { deadlineMs: 5000, everyMs: 20 },
    )
  }
}
