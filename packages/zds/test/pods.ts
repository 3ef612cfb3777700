import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFile } from '@ambient/linux'
import type { ZdsAddition, ZdsPod } from '@ambient/zds'

/** A pod whose "network namespace" is this process's own: a descriptor of the right kind, and nothing is entered. */
export function pod(uid: string): ZdsAddition {
  return { ...podWithoutNetns(uid), netns: openFile('/proc/self/ns/net') }
}

/** A pod the agent has no namespace for. */
export function podWithoutNetns(uid: string): ZdsPod {
  return { uid, info: { name: `pod-${uid}`, namespace: 'shop', serviceAccount: 'cart' }, netns: undefined }
}

/** A fresh path for a socket, and how to take it away again. */
export function socketPath(): { readonly path: string; readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'zds-'))
  return {
    path: join(directory, 'zds.sock'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
