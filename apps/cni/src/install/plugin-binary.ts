import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PLUGIN_TYPE } from './network-conf.ts'
import { removeDurably, sweepScratch, writeDurably } from './write-durably.ts'

const MODE = 0o755

/** Our plugin in the directory where the runtime looks for plugins. */
export class PluginBinary {
  readonly directory: string
  readonly #source: string
  readonly #target: string
  /** What both files were when they were last seen to be equal. */
  #seenEqual: string | undefined

  /** @param source Where the plugin lies that belongs to this agent. */
  constructor(source: string, directory: string) {
    this.#source = source
    this.directory = directory
    this.#target = join(directory, PLUGIN_TYPE)
  }

  /** Writes the plugin unless it is there already. @returns whether it had to */
  ensure(): boolean {
    const stamp = `${stampOf(this.#source)} ${stampOf(this.#target)}`
    if (stamp === this.#seenEqual) return false
    const wanted = readFileSync(this.#source)
    const isThere = isSame(this.#target, wanted)
    if (!isThere) writeDurably(this.#target, wanted, MODE)
    this.#seenEqual = `${stampOf(this.#source)} ${stampOf(this.#target)}`
    return !isThere
  }

  remove(): void {
    removeDurably(this.#target)
  }

  sweep(nowMs: number): void {
    sweepScratch(this.directory, nowMs)
  }
}

function isSame(path: string, wanted: Buffer): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.size === wanted.length && (stat.mode & 0o777) === MODE && readFileSync(path).equals(wanted)
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`
}
