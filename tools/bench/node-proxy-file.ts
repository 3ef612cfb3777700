import { readFileSync } from 'node:fs'
import { errorText } from '@ambient/lifecycle'
import type { NodeProxy } from './lab-pool.ts'

/** @throws {Error} naming the file and what is wrong with it */
export function readNodeProxyFile(path: string): NodeProxy {
  try {
    return parseNodeProxy(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new Error(`Cannot read node proxy ${path}: ${errorText(cause)}`, {
      cause,
    })
  }
}

/**
 * Reads `{"name": "theirs", "command": ["/usr/local/bin/ztunnel"], "env": {"RUST_LOG": "info"}}`. Pure.
 *
 * @throws {Error} naming the field that is wrong
 */
export function parseNodeProxy(text: string): NodeProxy {
  const fields = entriesOf(JSON.parse(text))
  const unknown = [...fields.keys()].find((name) => !['name', 'command', 'env'].includes(name))
  if (unknown !== undefined) throw new Error(`there is no field "${unknown}"`)
  const name = fields.get('name')
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]{0,30}$/.test(name))
    throw new Error('"name" must be lower-case letters, digits and hyphens')
  const command: unknown = fields.get('command')
  if (!Array.isArray(command) || command.length === 0 || !command.every(isText))
    throw new Error('"command" must be a list of texts, the program first')
  return { name, command, env: textsOf(fields.get('env') ?? {}) }
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = [...entriesOf(value)].map(([name, field]) => {
    if (typeof field !== 'string') throw new Error(`"env.${name}" must be a text`)
    return [name, field] as const
  })
  return Object.fromEntries(entries)
}

function entriesOf(value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no object')
  return new Map<string, unknown>(Object.entries(value))
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
