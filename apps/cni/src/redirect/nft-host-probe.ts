import { FirewallChanges, NetworkNamespace } from '@ambient/linux'
import { isRecord, type UnknownRecord } from '@ambient/kube'
import {
  type HostProbe,
  ownedEntries,
  PROBE_SETS,
  type ProbeEntry,
  probeFamilies,
  probeSetOf,
  usableEntries,
} from './host-probe.ts'
import { differingLines, parseNftListing } from './nft-listing.ts'
import type { ProbeAddresses } from './redirect-backend.ts'
import { mustRun, type RunProgram } from './run-program.ts'

export interface NftHostProbeDeps {
  readonly run: RunProgram
  /** The node's own netns. */
  readonly hostNetns: NetworkNamespace
  readonly probe: ProbeAddresses
  readonly ipv6: boolean
  /** Whose connections are probes; asked at each `ensure`, since the kubelet may come later. */
  readonly kubeletUid: () => number
}

const TABLE = 'istio-ambient-nat'

/** By nft, in a table of our own. nft cannot ask for a socket: the kubelet is known by the user it runs as. */
export class NftHostProbe implements HostProbe {
  readonly #deps: NftHostProbeDeps

  constructor(deps: NftHostProbeDeps) {
    this.#deps = deps
  }

  async ensure(): Promise<boolean> {
    const { hostNetns, probe, ipv6, kubeletUid } = this.#deps
    const script = nftHostScript({ probe, ipv6, uid: kubeletUid() })
    const missing = differingLines(
      parseNftListing(await this.#list(hostNetns)),
      await this.#reference(script),
    )
    if (missing.length > 0) await this.#apply(hostNetns, script)
    return missing.length > 0
  }

  async add(entries: readonly ProbeEntry[]): Promise<void> {
    const { hostNetns, ipv6 } = this.#deps
    await this.#apply(hostNetns, usableEntries(entries, ipv6).map(nftUpsert).join(''))
  }

  async remove(entries: readonly ProbeEntry[]): Promise<void> {
    const gone = ownedEntries(entries, await this.list())
    await this.#apply(
      this.#deps.hostNetns,
      gone.map(({ ip }) => `delete element inet ${TABLE} ${probeSetOf(ip)} { ${ip} }\n`).join(''),
    )
  }

  async list(): Promise<readonly ProbeEntry[]> {
    const outputs = await Promise.all(
      probeFamilies(this.#deps.ipv6).map((family) =>
        this.#onHost(['nft', '--json', 'list', 'set', 'inet', TABLE, PROBE_SETS[family]]),
      ),
    )
    return outputs.flatMap(parseNftSet)
  }

  watch(): FirewallChanges {
    return new FirewallChanges(this.#deps.hostNetns)
  }

  async removeAll(): Promise<void> {
    await this.#apply(this.#deps.hostNetns, `add table inet ${TABLE}\ndelete table inet ${TABLE}\n`)
  }

  /** As this nft lists what `script` makes; see `NftRules`. */
  async #reference(script: string): Promise<ReturnType<typeof parseNftListing>> {
    using scratch = NetworkNamespace.create()
    await this.#apply(scratch, script)
    return parseNftListing(await this.#list(scratch))
  }

  async #list(netns: NetworkNamespace): Promise<string> {
    const words = ['nft', '--stateless', '--numeric', '--terse', 'list', 'table', 'inet', TABLE]
    const { status, stdout } = await this.#deps.run(words, { netns })
    return status === 0 ? stdout : '' // there is no such table
  }

  async #apply(netns: NetworkNamespace, script: string): Promise<void> {
    if (script !== '') await mustRun(this.#deps.run, ['nft', '--file', '-'], { netns, input: script })
  }

  #onHost(words: readonly string[]): Promise<string> {
    return mustRun(this.#deps.run, words, { netns: this.#deps.hostNetns })
  }
}

/**
 * What makes table, sets and chain as they must be and leaves the sets' addresses. Pure.
 *
 * @see Istio `cni/pkg/nftables/nftables.go`, `host_sets.go`
 */
export function nftHostScript(options: {
  readonly probe: ProbeAddresses
  readonly ipv6: boolean
  readonly uid: number
}): string {
  const families = [
    { ip: 'ip', set: PROBE_SETS.ipv4, type: 'ipv4_addr', source: options.probe.v4 },
    ...(options.ipv6
      ? [{ ip: 'ip6', set: PROBE_SETS.ipv6, type: 'ipv6_addr', source: options.probe.v6 }]
      : []),
  ]
  const unwanted = options.ipv6 ? [] : [PROBE_SETS.ipv6]
  const match = `meta l4proto tcp meta skuid ${options.uid}`
  return [
    `add table inet ${TABLE}`,
    ...families.map(({ set, type }) => `add set inet ${TABLE} ${set} { type ${type}; }`),
    `add chain inet ${TABLE} postrouting { type nat hook postrouting priority 100; policy accept; }`,
    `flush table inet ${TABLE}`,
    ...unwanted.flatMap((set) => [
      `add set inet ${TABLE} ${set} { type ipv6_addr; }`,
      `delete set inet ${TABLE} ${set}`,
    ]),
    ...families.map(
      ({ ip, set, source }) =>
        `add rule inet ${TABLE} postrouting ${match} ${ip} daddr @${set} counter snat ${ip} to ${source}`,
    ),
    '',
  ].join('\n')
}

/** Adds an address; one that is there already gets its new owner, in one transaction. Pure. */
function nftUpsert({ ip, uid }: ProbeEntry): string {
  const place = `element inet ${TABLE} ${probeSetOf(ip)}`
  return `add ${place} { ${ip} }\ndelete ${place} { ${ip} }\nadd ${place} { ${ip} comment "${uid}" }\n`
}

/** Reads `nft --json list set`: the addresses with their comments. Pure. */
export function parseNftSet(text: string): readonly ProbeEntry[] {
  const parsed: unknown = JSON.parse(text)
  return listAt(parsed, 'nftables')
    .flatMap((object) => listAt(isRecord(object) ? object['set'] : undefined, 'elem'))
    .flatMap((element) => {
      if (typeof element === 'string') return [{ ip: element, uid: '' }]
      const inner = isRecord(element) ? element['elem'] : undefined
      return isRecord(inner) ? [{ ip: textAt(inner, 'val'), uid: textAt(inner, 'comment') }] : []
    })
}

function listAt(value: unknown, name: string): readonly unknown[] {
  const found = isRecord(value) ? value[name] : undefined
  return Array.isArray(found) ? found : []
}

function textAt(value: UnknownRecord, name: string): string {
  const found = value[name]
  return typeof found === 'string' ? found : ''
}
