import { NetworkNamespace } from '@ambient/linux'
import { differingLines, hasRules, type ListedTable, parseNftListing } from './nft-listing.ts'
import { nftRemoval, nftScript, nftStopScript, nftTables } from './nft-script.ts'
import { mayHoldNftTables, type PacketRules, type RulesThere } from './packet-rules.ts'
import type { RedirectSettings } from './redirect-backend.ts'
import { mustRun, type RunProgram } from './run-program.ts'

export interface NftDeps {
  readonly run: RunProgram
  /** How many different sets of rules are remembered; a pod's annotations may make one. */
  readonly maxReferences: number
}

/** Rules by nft itself, in tables of our own that nobody else has to do with. */
export class NftRules implements PacketRules {
  readonly name = 'nftables'
  readonly #deps: NftDeps
  readonly #references = new Map<string, Promise<readonly ListedTable[]>>()

  constructor(deps: NftDeps) {
    this.#deps = deps
  }

  async read(netns: NetworkNamespace): Promise<RulesThere> {
    const tables = await this.#list(netns)
    const names = tables.map(({ name }) => name)
    const missing = async (settings: RedirectSettings): Promise<readonly string[]> =>
      differingLines(tables, await this.#reference(nftScript(settings)))
    return {
      redirects: hasRules(tables, 'istio-ambient-nat'),
      others: names.length > 0,
      missing,
      write: async (settings) => {
        if ((await missing(settings)).length > 0) await this.#apply(netns, nftScript(settings))
      },
      removeRedirects: () => this.#apply(netns, nftStopScript),
      removeAll: () => this.#apply(netns, nftRemoval(names)),
    }
  }

  async #list(netns: NetworkNamespace): Promise<readonly ListedTable[]> {
    if (!mayHoldNftTables(netns, ['inet'])) return []
    const words = ['nft', '--stateless', '--numeric', 'list', 'ruleset', 'inet']
    const text = await mustRun(this.#deps.run, words, { netns })
    return parseNftListing(text).filter(({ name }) => nftTables.some((ours) => ours === name))
  }

  async #apply(netns: NetworkNamespace, script: string): Promise<void> {
    if (script !== '') await mustRun(this.#deps.run, ['nft', '--file', '-'], { netns, input: script })
  }

  /**
   * How this nft on this kernel lists the rules of `script`: every version has its own way of writing, so they are written in a
   * namespace of nobody's once and read back.
   */
  #reference(script: string): Promise<readonly ListedTable[]> {
    const known = this.#references.get(script)
    if (known !== undefined) return known
    const made = this.#makeReference(script)
    this.#references.set(script, made)
    made.catch(() => this.#references.delete(script)) // asked again the next time
    const [oldest] = this.#references.keys()
    if (this.#references.size > this.#deps.maxReferences && oldest !== undefined)
      this.#references.delete(oldest)
    return made
  }

  async #makeReference(script: string): Promise<readonly ListedTable[]> {
    using scratch = NetworkNamespace.create()
    await this.#apply(scratch, script)
    return await this.#list(scratch)
  }
}
