import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  requestBytes: {
    value: 1_310_720,
    unit: 'bytes',
    whenHit: 'The request of the plugin is answered with CNI error 6',
  },
  requests: {
    value: 256,
    unit: 'connections',
    whenHit: 'Further requests of the plugin wait to be accepted',
  },
  addMs: { value: 8000, unit: 'ms', whenHit: 'CNI ADD fails with 11; the runtime tries again' },
  podKnownMs: {
    value: 4000,
    unit: 'ms',
    whenHit: 'CNI ADD of a pod that the cluster does not know fails with 11',
  },
  enrolments: { value: 8, unit: 'items', whenHit: 'Further running pods wait to be enrolled' },
  programs: { value: 8, unit: 'items', whenHit: 'Further runs of iptables, nft, ip and ipset wait' },
  programMs: { value: 10_000, unit: 'ms', whenHit: 'The program is killed and the step is tried again' },
  programOutputBytes: {
    value: 8_388_608,
    unit: 'bytes',
    whenHit: 'The output is cut, and what it said cannot be verified',
  },
  retryFirstMs: { value: 100, unit: 'ms', whenHit: 'The first wait after a failed step of a pod; doubles' },
  retryMaxMs: { value: 5000, unit: 'ms', whenHit: 'The longest wait between attempts of a pod' },
  drainMs: { value: 30_000, unit: 'ms', whenHit: 'The tunnels of a pod that has left the mesh are reset' },
  drainLeastMs: {
    value: 1000,
    unit: 'ms',
    whenHit: 'Listeners stay at least so long, for peers that have not heard yet',
  },
  drainPollMs: { value: 100, unit: 'ms', whenHit: 'How often open tunnels are counted' },
  verifyMs: {
    value: 2000,
    unit: 'ms',
    whenHit: 'How often the rules of pods and node are asked whether they changed',
  },
  ruleReferences: {
    value: 64,
    unit: 'items',
    whenHit: 'The oldest listing of rules to compare with is forgotten, and made again when it is needed',
  },
  confFiles: {
    value: 256,
    unit: 'items',
    whenHit: 'Further files in the directory of networks are not looked at',
  },
  confBytes: { value: 1_048_576, unit: 'bytes', whenHit: 'A longer file is taken for no network' },
  installLookMs: {
    value: 5000,
    unit: 'ms',
    whenHit: 'How often the installation is compared, without a hint of a change',
  },
  rewriteBurst: {
    value: 5,
    unit: 'items',
    whenHit: 'What others keep changing is put right only after a pause, and a warning is logged',
  },
  rewriteRefillMs: { value: 5000, unit: 'ms', whenHit: 'The burst is not refilled faster' },
  rewritePauseMs: { value: 1000, unit: 'ms', whenHit: 'The pause after the burst is used up' },
  sandboxLookMs: {
    value: 5000,
    unit: 'ms',
    whenHit: 'How often it is looked where the processes of pods are and whether ztunnel listens there',
  },
  repairBurst: { value: 10, unit: 'items', whenHit: 'Further pods are deleted or labelled only later' },
  repairRefillMs: { value: 6000, unit: 'ms', whenHit: 'The burst is not refilled faster' },
  shutdownTries: {
    value: 3,
    unit: 'items',
    whenHit: 'The DaemonSet counts as unknown at the end of the agent',
  },
  shutdownRetryMs: { value: 1000, unit: 'ms', whenHit: 'The wait before the DaemonSet is asked for again' },
  unenrolClusterMs: {
    value: 180_000,
    unit: 'ms',
    whenHit: 'unenrol-cluster gives up, and names the pods that are still in the mesh',
  },
  lastUnenrolMs: {
    value: 20_000,
    unit: 'ms',
    whenHit: 'The agent ends before every pod is out, at an uninstallation',
  },
  endSignMs: {
    value: 120_000,
    unit: 'ms',
    whenHit: 'A sign of an uninstallation that went away counts no more',
  },
  unenrolLookMs: { value: 1000, unit: 'ms', whenHit: 'It is looked again which pods are left' },
  keptNames: { value: 100, unit: 'items', whenHit: 'Further kept connections are counted, not named' },
} as const

/** Every bound of the agent. */
export const CNI_LIMITS: typeof table = defineLimits(table)

export type CniLimits = LimitValues<typeof table>

export const cniLimits: CniLimits = limitValues(CNI_LIMITS)
