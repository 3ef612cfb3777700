import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { testCa } from '@ambient/testkit'
import { Pump } from '../pump.ts'
import { listenApp } from '../sockets.ts'
import { TestProxy } from '../test-proxy.ts'
import type { Flavour } from './build-runner.ts'

/** How one case of h2spec ended. */
export interface CaseOutcome {
  /** E.g. `http2/6.9.1/3`. */
  readonly id: string
  readonly title: string
  /** `broken`: the case itself came to grief. */
  readonly verdict: 'passed' | 'failed' | 'skipped' | 'broken'
  readonly expected?: string
  readonly actual?: string
}

/** Long, because only cases that fail wait for so long, and many run side by side. */
const ANSWER_WITHIN = '10s'
const LANES = '16'
/** A PING would count as an answer, and the silence after it would end the connection before the case does. */
const NO_PINGS = { pingMs: 600_000, pingAnswerMs: 600_000 }
/** One case sends more than 16 KiB of fields in one frame, and takes it that nobody wants them. */
const LIMITS = { plain: { ...NO_PINGS, maxFrameBytes: 16_384 }, connect: NO_PINGS }

/**
 * Runs every case of h2spec against a server as ztunnel has it: mutual TLS, session, tunnels, and an app behind them that
 * answers when its client has finished.
 *
 * @throws {Error} when the runner ends badly.
 */
export async function runCases(
  flavour: Flavour,
  program: string,
  folder: string,
): Promise<readonly CaseOutcome[]> {
  const ca = await testCa()
  const [client, server] = [
    await ca.issue({ uris: ['spiffe://cluster.local/ns/default/sa/h2spec'] }),
    await ca.issue({ uris: ['spiffe://cluster.local/ns/default/sa/server'] }),
  ]
  writeFileSync(join(folder, 'cert.pem'), client.certificateChainPem)
  writeFileSync(join(folder, 'key.pem'), client.privateKeyPem)
  using pump = new Pump()
  pump.start()
  const app = await listenApp((socket) => {
    socket.resume().on('end', () => socket.end('the answer of the app'))
  })
  const proxy = new TestProxy({ loop: pump.loop, certificate: server, limits: LIMITS[flavour] })
  try {
    const port = String(proxy.serveInbound(app.port))
    const args = [
      '-port',
      port,
      '-cert',
      'cert.pem',
      '-key',
      'key.pem',
      '-timeout',
      ANSWER_WITHIN,
      '-lanes',
      LANES,
    ]
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    if (child.exitCode !== 0) throw new Error(`The runner of h2spec ended with ${child.exitCode}`)
    if (pump.faults.length > 0) throw new Error('The server threw', { cause: pump.faults[0] })
    return output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as CaseOutcome)
  } finally {
    proxy.close()
    await app.close()
  }
}
