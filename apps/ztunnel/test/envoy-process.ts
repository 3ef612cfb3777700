/** An unmodified Envoy in a pod's namespace. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ENVOY, type IssuedCertificate, waitFor } from '@ambient/testkit'
import type { EnvoyBase } from './envoy-configuration.ts'
import type { TestPod } from './pod-net.ts'

const READY = 'starting main dispatch loop'
const READY_MS = 60_000

export interface EnvoyProcess extends AsyncDisposable {
  /** What it printed so far. */
  readonly said: string
}

/** Writes what `name` proves itself with where a configuration looks for it. */
export function writeCertificate({ folder, name }: EnvoyBase, issued: IssuedCertificate): void {
  const files = {
    'root.pem': issued.rootsPem,
    [`${name}.pem`]: issued.certificateChainPem,
    [`${name}.key`]: issued.privateKeyPem,
  }
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text, { mode: 0o600 })
}

/** @returns Once its listeners are open. @throws {Error} with all it said, when it ends before. */
export async function startEnvoy(
  pod: TestPod,
  { folder, name }: EnvoyBase,
  configuration: object,
): Promise<EnvoyProcess> {
  const file = join(folder, `${name}.json`)
  writeFileSync(file, JSON.stringify(configuration))
  const argv = [ENVOY, '--concurrency', '1', '--disable-hot-restart', '--config-path', file]
  const child = spawn('nsenter', [`--net=${pod.path}`, '--', ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => (said += String(chunk)))
  const ended = once(child, 'close')
  const ready = waitFor(`Envoy in ${pod.name}`, () => child.exitCode !== null || said.includes(READY), {
    deadlineMs: READY_MS,
  })
  await ready.catch((cause: unknown) => {
    child.kill('SIGKILL')
    throw new Error(`Envoy said: ${said}`, { cause })
  })
  if (child.exitCode !== null) throw new Error(`Envoy ended with ${child.exitCode}: ${said}`)
  return {
    get said() {
      return said
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
