import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Programs that the kubelet is part of; one whose name is used otherwise as well must name it among its arguments. */
const PROGRAMS: ReadonlyMap<string, { readonly mustSayKubelet: boolean }> = new Map([
  ['kubelet', { mustSayKubelet: true }],
  ['kubelite', { mustSayKubelet: true }],
  ['k3s', { mustSayKubelet: false }],
])

/**
 * The user that the kubelet of this node runs as, by a look at all processes; undefined when there is none.
 *
 * @param procRoot The host's `/proc`.
 */
export function kubeletUid(procRoot: string): number | undefined {
  for (const pid of readdirSync(procRoot).filter((name) => /^\d+$/.test(name))) {
    const folder = join(procRoot, pid)
    const program = PROGRAMS.get(textOf(join(folder, 'comm')).trim())
    if (program === undefined) continue
    if (program.mustSayKubelet && !/kubelet/i.test(textOf(join(folder, 'cmdline')))) continue
    const [, uid] = /^Uid:\s+(\d+)/m.exec(textOf(join(folder, 'status'))) ?? []
    if (uid !== undefined) return Number(uid)
  }
  return undefined
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended meanwhile
  }
}
