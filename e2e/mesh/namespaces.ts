import { execFileSync } from 'node:child_process'

/** Network namespaces on one bridge: what a node's pods and the link between nodes are made of. All go when it is disposed. */
export class Namespaces implements Disposable {
  readonly #prefix: string
  readonly #made: string[] = []
  readonly fabric: string

  constructor(prefix: string) {
    this.#prefix = prefix
    this.fabric = this.#make('fab')
    this.#ip('-n', this.fabric, 'link', 'add', 'br0', 'type', 'bridge')
    this.#ip('-n', this.fabric, 'addr', 'add', '10.99.0.1/24', 'dev', 'br0')
    this.#ip('-n', this.fabric, 'link', 'set', 'br0', 'up')
  }

  /** A namespace with one address on the bridge; returns its name. */
  add(name: string, address: string): string {
    const made = this.#make(name)
    const port = `p-${name}`
    this.#ip('-n', this.fabric, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', made)
    this.#ip('-n', this.fabric, 'link', 'set', port, 'master', 'br0', 'up')
    this.#ip('-n', made, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    this.#ip('-n', made, 'link', 'set', 'eth0', 'up')
    this.#ip('-n', made, 'route', 'add', 'default', 'via', '10.99.0.1')
    return made
  }

  [Symbol.dispose](): void {
    for (const name of this.#made.splice(0).toReversed()) this.#ip('netns', 'del', name)
  }

  #make(name: string): string {
    const made = `${this.#prefix}-${name}`
    this.#ip('netns', 'add', made)
    this.#made.push(made)
    this.#ip('-n', made, 'link', 'set', 'lo', 'up')
    return made
  }

  #ip(...words: string[]): void {
    execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
}
