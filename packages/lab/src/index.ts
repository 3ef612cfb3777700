export { Lab, type HttpAnswer, type LabOptions } from './lab.ts'
export { LabApp, type AppStats } from './lab-app.ts'
export { LabError, labErrorCodes, type LabErrorCode } from './lab-error.ts'
export { LabNode } from './lab-node.ts'
export { LabPod } from './lab-pod.ts'
export { LabProcess } from './lab-process.ts'
export { liveLabs, type LabId, type LabRecord, removeLeftovers, tracesOf } from './lab-state.ts'
export { Capture } from './capture.ts'
export {
  readPcap,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  type CapturedFrame,
  type TcpPacket,
  tcpStreams,
} from './pcap-reader.ts'
export { type LabFamilies, parseFamilies } from './lab-addresses.ts'
export { type LabRedirectMode, type MeshEnvironment, parseRedirectMode } from './mesh-apps.ts'
export { allProcesses, type ProcessFacts } from './process-table.ts'
export { checkRequirements, type Machine } from './requirements.ts'
export { LOOK_AROUND, runInBackground } from './run-in-background.ts'
export type { CommandOptions, CommandResult } from './run-command.ts'
export { waitFor } from './wait-for.ts'
