import type { ConfMode } from './plan-conf.ts'

/** What the cluster says about the DaemonSet that this agent is a pod of. */
export type OwnDaemonSet =
  | { readonly kind: 'found'; readonly isDeleted: boolean; readonly selectsNode: boolean }
  | { readonly kind: 'missing' }
  /** The account of the agent is gone already. */
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'unknown'; readonly error: string }

export interface ShutdownSettings {
  /** Whether somebody said lately that the mesh is to go: rights to ask may be gone before the agent is. */
  readonly isEnding?: boolean

  readonly safeUpgrade: boolean
  readonly mode: ConfMode
}

export interface Shutdown {
  /** `leave`: what calls the plugin stays, so that new pods of the mesh wait for the next agent. */
  readonly kind: 'leave' | 'uninstall'
  readonly because: string
}

/** Whether the end of this agent is the end of the mesh on this node. Pure. */
export function planShutdown(seen: OwnDaemonSet, settings: ShutdownSettings): Shutdown {
  if (!settings.safeUpgrade) return uninstall('AMBIENT_DISABLE_SAFE_UPGRADE is set')
  switch (seen.kind) {
    case 'found':
      if (seen.isDeleted) return uninstall('the DaemonSet is being deleted')
      if (!seen.selectsNode) return uninstall('the DaemonSet does not select this node any more')
      return { kind: 'leave', because: 'the DaemonSet is there and selects this node' }
    case 'missing':
      return uninstall('there is no DaemonSet')
    case 'unauthorized':
      return uninstall('the agent’s account is gone')
    case 'unknown':
      if (settings.isEnding === true) return uninstall('the mesh is being uninstalled')
      // A changed primary of which nobody takes care is worse than none; our own file waits for the next agent.
      return settings.mode === 'owned'
        ? { kind: 'leave', because: `the DaemonSet is not known: ${seen.error}` }
        : uninstall(`the DaemonSet is not known: ${seen.error}`)
  }
}

function uninstall(because: string): Shutdown {
  return { kind: 'uninstall', because }
}
