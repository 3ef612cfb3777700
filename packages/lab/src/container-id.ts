import { randomBytes } from 'node:crypto'

/** 64 hexadecimal digits, as runtimes name containers. */
export function newContainerId(): string {
  return randomBytes(32).toString('hex')
}
