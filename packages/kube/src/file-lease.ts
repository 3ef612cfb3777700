import { join } from 'node:path'
import type { Clock } from '@ambient/lifecycle'
import { isRecord } from './field.ts'
import { readTextIfThere, removeFile, withFileLock, writeAtomically } from './file-io.ts'
import type { WrittenPaths } from './file-io.ts'
import { KubeError } from './kube-error.ts'
import type { LeaseAnswer, LeaseRequest } from './resource-source.ts'

export interface FileLease {
  readonly paths: WrittenPaths
  readonly clock: Clock
  readonly name: string
}

/** One file a lease. All holders must share a clock, which processes of one machine do. */
export function takeFileLease(lease: FileLease, request: LeaseRequest): Promise<LeaseAnswer> {
  if (!/^[a-z0-9.-]{1,63}$/.test(lease.name)) {
    const problem = `Cannot take lease: its name must be 1 to 63 of a-z 0-9 . -: "${lease.name}"`
    return Promise.reject(new KubeError('OBJECT_INVALID', problem))
  }
  const path = join(lease.paths.leases, `${lease.name}.json`)
  return withFileLock({ paths: lease.paths, name: `lease~${lease.name}`, clock: lease.clock }, () => {
    const nowMs = lease.clock.nowMs()
    const current = readHolder(path)
    const isOthers = current !== undefined && current.holder !== request.holder && current.expiresAtMs > nowMs
    if (request.durationMs <= 0) {
      if (current?.holder === request.holder) removeFile(path)
      return { kind: 'released' }
    }
    if (isOthers) return { kind: 'taken', ...current }
    const expiresAtMs = nowMs + request.durationMs
    writeAtomically(lease.paths, path, JSON.stringify({ holder: request.holder, expiresAtMs }))
    return { kind: 'held', expiresAtMs }
  })
}

function readHolder(path: string): { readonly holder: string; readonly expiresAtMs: number } | undefined {
  const text = readTextIfThere(path)
  if (text === undefined) return undefined
  const value: unknown = JSON.parse(text)
  if (!isRecord(value) || typeof value['holder'] !== 'string' || typeof value['expiresAtMs'] !== 'number')
    return undefined
  return { holder: value['holder'], expiresAtMs: value['expiresAtMs'] }
}
