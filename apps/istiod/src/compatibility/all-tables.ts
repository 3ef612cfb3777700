import type { CompatibilityTable } from './compatibility.ts'
import { ENTRY_COMPATIBILITY } from './entry-compatibility.ts'
import { MESH_CONFIG_COMPATIBILITY } from './mesh-config-compatibility.ts'
import { NETWORK_COMPATIBILITY } from './network-compatibility.ts'
import { POD_COMPATIBILITY } from './pod-compatibility.ts'
import { POLICY_COMPATIBILITY } from './policy-compatibility.ts'
import { SERVICE_COMPATIBILITY } from './service-compatibility.ts'
import { WAYPOINT_COMPATIBILITY } from './waypoint-compatibility.ts'

/** One file an area; docs/compatibility.md is made from them. */
export const compatibilityTables: readonly CompatibilityTable[] = [
  ...POD_COMPATIBILITY,
  ...SERVICE_COMPATIBILITY,
  ...ENTRY_COMPATIBILITY,
  ...POLICY_COMPATIBILITY,
  ...WAYPOINT_COMPATIBILITY,
  ...MESH_CONFIG_COMPATIBILITY,
  ...NETWORK_COMPATIBILITY,
]
