import { Lab, type LabOptions } from '@ambient/lab'

/** What sets one lab apart from another. */
export interface LabVariant {
  /** How the agents redirect. */
  readonly redirectMode: 'iptables' | 'nftables'
  /** Another node proxy in place of ours. */
  readonly nodeProxy?: NodeProxy
}

/** A program that speaks ZDS and WDS, and reads upstream's environment. */
export interface NodeProxy {
  readonly name: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Labs by their variant, each brought up when the first asks for it. */
export class LabPool implements AsyncDisposable {
  readonly #labs = new Map<string, Lab>()
  readonly #report: (message: string) => void

  constructor(report: (message: string) => void) {
    this.#report = report
  }

  async get(variant: LabVariant): Promise<Lab> {
    const key = JSON.stringify(variant)
    const known = this.#labs.get(key)
    if (known !== undefined) return known
    const lab = await Lab.up({ nodes: 2, report: this.#report, ...labOptions(variant) })
    this.#labs.set(key, lab)
    return lab
  }

  /** One after the other: what one leaves behind must not be taken for the other's. */
  async [Symbol.asyncDispose](): Promise<void> {
    const labs = [...this.#labs.values()]
    this.#labs.clear()
    for (const lab of labs) await lab.down()
  }
}

function labOptions({ redirectMode, nodeProxy }: LabVariant): LabOptions {
  const ztunnel = { ZTUNNEL_TLS_GROUPS: 'X25519', ...nodeProxy?.env } // the one group that every contestant can do
  return {
    redirectMode,
    env: { ztunnel },
    ...(nodeProxy === undefined ? {} : { nodeProxy: nodeProxy.command }),
  }
}
