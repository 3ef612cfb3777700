import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const POLICY = 'usr/sbin/policy-rc.d'
const KEPT = 'usr/sbin/policy-rc.d.before-ambient-mesh'
/** By this an abandoned file is known as ours. */
const MARK = '# placed for the length of one installation by the set-up of the ambient mesh'

/**
 * Until the returned function is called, no maintainer script starts a service.
 *
 * @param {string} root
 * @returns {() => void}
 */
export function keepServicesDown(root) {
  restorePolicy(root)
  mkdirSync(join(root, 'usr/sbin'), { recursive: true })
  if (existsSync(join(root, POLICY))) renameSync(join(root, POLICY), join(root, KEPT))
  writeFileSync(join(root, POLICY), `#!/bin/sh\n${MARK}\nexit 101\n`, { mode: 0o755 })
  return () => restorePolicy(root)
}

/** Puts back what was there before; nothing to do when ours is not in place. @param {string} root */
export function restorePolicy(root) {
  const policy = join(root, POLICY)
  const kept = join(root, KEPT)
  if (existsSync(policy) && readFileSync(policy, 'utf8').includes(MARK)) rmSync(policy)
  if (existsSync(kept) && !existsSync(policy)) renameSync(kept, policy)
}
