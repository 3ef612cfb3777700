import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cniLimits } from '../agent/cni-limits.ts'
import { type ConfFile, isConfName } from './network-conf.ts'
import { removeDurably, sweepScratch, writeDurably } from './write-durably.ts'

/** The directory in which the container runtime looks for networks. */
export class ConfDirectory {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Every file that may be a network. One that vanishes meanwhile, or is too long to be one, is left out. */
  read(): readonly ConfFile[] {
    return readdirSync(this.path)
      .filter(isConfName)
      .slice(0, cniLimits.confFiles)
      .flatMap((name) => readConf(join(this.path, name), name))
  }

  write({ name, text, mode }: ConfFile): void {
    writeDurably(join(this.path, name), text, mode)
  }

  remove(name: string): void {
    removeDurably(join(this.path, name))
  }

  sweep(nowMs: number): void {
    sweepScratch(this.path, nowMs)
  }
}

function readConf(path: string, name: string): readonly ConfFile[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile() || stat.size > cniLimits.confBytes) return []
  try {
    return [{ name, text: readFileSync(path, 'utf8'), mode: stat.mode & 0o777 }]
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    throw cause
  }
}
