import type { Env } from './agent-variables.ts'
import { flag, invalid, required, text } from './env-values.ts'

/** What becomes of a pod that is said to be in the mesh and is not. */
export type RepairAction =
  /** It is enrolled as it is. */
  | 'repair'
  /** It is deleted, so that its successor is in the mesh from its first packet. */
  | 'delete'
  /** It gets a label, for somebody else to act on. */
  | 'label'
  /** It is only said. */
  | 'event'

export interface RepairOptions {
  /** False: nobody looks, except at the start of the agent. */
  readonly isEnabled: boolean
  readonly action: RepairAction
  readonly label: { readonly key: string; readonly value: string }
}

/** Upstream's variables, in upstream's order of precedence. @throws {CniError} `CONFIG_INVALID` */
export function readRepairOptions(env: Env): RepairOptions {
  const node = text(env, 'REPAIR_NODE_NAME')
  if (node !== '' && node !== env['NODE_NAME'])
    throw invalid('REPAIR_NODE_NAME', node, 'an agent repairs the pods of its own node, NODE_NAME')
  return {
    isEnabled: flag(env, 'REPAIR_ENABLED'),
    action: readAction(env),
    label: {
      key: required('REPAIR_BROKEN_POD_LABEL_KEY', text(env, 'REPAIR_BROKEN_POD_LABEL_KEY')),
      value: text(env, 'REPAIR_BROKEN_POD_LABEL_VALUE'),
    },
  }
}

function readAction(env: Env): RepairAction {
  if (flag(env, 'REPAIR_REPAIR_PODS')) return 'repair'
  if (flag(env, 'REPAIR_DELETE_PODS')) return 'delete'
  return flag(env, 'REPAIR_LABEL_PODS') ? 'label' : 'event'
}
