import { Arena, closeDescriptor, errnoName } from '@ambient/linux'
import { bpf, libbpf } from './libbpf.ts'

/** What a kernel may be without, and the version that brought it. */
const FEATURES = {
  classifier: '4.1',
  'relative-load': '5.0',
  'socket-lookup': '5.2',
  'socket-assign': '5.7',
  tcx: '6.6',
} as const

export type KernelFeature = keyof typeof FEATURES

export type FeatureState =
  | { readonly kind: 'there' }
  | { readonly kind: 'missing'; readonly since: string; readonly why: string }

const SCHED_CLS = 3
const BPF_LINK_CREATE = 28
const TCX_INGRESS = 46
const BPF_PROG_LOAD = 5
const ATTRIBUTE_BYTES = 128
/** No namespace counts so far. */
const NO_DEVICE = 0x7fff_fffe
/** `bpf_skb_load_bytes_relative`, `bpf_skc_lookup_tcp`, `bpf_sk_assign`. */
const HELPERS: Readonly<Partial<Record<KernelFeature, number>>> = {
  'relative-load': 68,
  'socket-lookup': 99,
  'socket-assign': 124,
}
const ENODEV = 19
/** `r0 = 0; exit` */
const NOTHING = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]

// Mirrors what the kernel said when it was first asked; a kernel does not change under a process.
const known = new Map<KernelFeature, FeatureState>()

/** Asks the kernel by trying: a version says little of one that a distribution has patched. Remembered. */
export function kernelFeature(name: KernelFeature): FeatureState {
  const earlier = known.get(name)
  if (earlier !== undefined) return earlier
  const why = whyMissing(name)
  const state: FeatureState =
    why === undefined ? { kind: 'there' } : { kind: 'missing', since: FEATURES[name], why }
  known.set(name, state)
  return state
}

/** The features that are missing of those named, as a sentence each names its kernel: for whoever must refuse. */
export function missingFeatures(names: readonly KernelFeature[]): readonly string[] {
  return names.flatMap((name) => {
    const state = kernelFeature(name)
    return state.kind === 'there' ? [] : [`${name} (Linux ${state.since}): ${state.why}`]
  })
}

function whyMissing(name: KernelFeature): string | undefined {
  const helper = HELPERS[name]
  if (helper !== undefined) {
    const result = libbpf().libbpf_probe_bpf_helper(SCHED_CLS, helper, 0n)
    if (result === 1) return undefined
    return result === 0 ? 'the kernel does not know the helper' : errnoName(-result)
  }
  const program = loadNothing()
  if (program < 0) return errnoName(-program)
  using closing = new DisposableStack()
  closing.defer(() => closeDescriptor(program))
  if (name === 'classifier') return undefined
  const attributes = new Arena(ATTRIBUTE_BYTES)
  const words = [program, NO_DEVICE, TCX_INGRESS, 0]
  words.forEach((word, index) => attributes.view.setUint32(index * 4, word, true))
  const result = bpf(BPF_LINK_CREATE, attributes.base, ATTRIBUTE_BYTES)
  return result === -ENODEV ? undefined : errnoName(-result)
}

/** A program that does nothing. @returns its descriptor, or a negative errno */
function loadNothing(): number {
  const code = new Arena(NOTHING.length)
  code.bytes.set(NOTHING)
  const license = new Arena(1)
  const attributes = new Arena(ATTRIBUTE_BYTES)
  attributes.view.setUint32(0, SCHED_CLS, true)
  attributes.view.setUint32(4, NOTHING.length / 8, true)
  attributes.view.setBigUint64(8, code.base, true)
  attributes.view.setBigUint64(16, license.base, true)
  return bpf(BPF_PROG_LOAD, attributes.base, ATTRIBUTE_BYTES)
}
