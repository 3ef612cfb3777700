export {
  type AttachPoint,
  attachAsFilter,
  attachByLink,
  detachFilter,
  filterProgram,
  type FilterSlot,
  programsByLink,
  swapProgram,
} from './attachment.ts'
export { BpfDescriptor, type BpfKind, liveBpfDescriptors } from './bpf-descriptor.ts'
export { BpfError, type BpfErrorCode, usefulLine, VerifierError } from './bpf-error.ts'
export { BpfMap, type MapSpec } from './bpf-map.ts'
export { type FeatureState, type KernelFeature, kernelFeature, missingFeatures } from './kernel-features.ts'
export { KernelObject, type LoadOptions, type ObjectSpec } from './kernel-object.ts'
export {
  readCounters,
  redirectCauses,
  type RedirectCause,
  type RedirectMap,
  redirectObject,
  type RedirectProgram,
  type RedirectProgramSettings,
  writeOwnAddresses,
  writeSettings,
} from './redirect-object.ts'
export { testRun, type TestPacket, type TestRunResult } from './test-run.ts'
