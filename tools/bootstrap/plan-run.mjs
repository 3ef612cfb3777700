/**
 * @typedef {object} Entry
 * @property {string} file What the pinned Node runs.
 * @property {boolean} needsRoot
 */

/** @type {Readonly<Record<string, Entry>>} */
const ENTRIES = {
  test: { file: 'tools/test/main.ts', needsRoot: false },
  check: { file: 'tools/check/main.ts', needsRoot: false },
  demo: { file: 'e2e/demo/main.ts', needsRoot: true },
  lab: { file: 'packages/lab/src/main.ts', needsRoot: true },
  bench: { file: 'tools/bench/main.ts', needsRoot: true },
  e2e: { file: 'e2e/cluster/main.ts', needsRoot: false },
  'kind-up': { file: 'e2e/cluster/kind-up.ts', needsRoot: false },
  fuzz: { file: 'tools/fuzz/main.ts', needsRoot: false },
  h2spec: { file: 'packages/hbone/test/h2spec/main.ts', needsRoot: false },
  mutate: { file: 'tools/mutate/main.ts', needsRoot: false },
  'power-cut': { file: 'apps/cni/test/power-cut/main.ts', needsRoot: true },
  images: { file: 'tools/images/main.ts', needsRoot: false },
}

/**
 * @typedef {{kind: 'refuse', line: string, exitCode: number}
 *   | {kind: 'run', file: string, os: 'none' | 'wanted' | 'required'}} RunPlan
 */

/**
 * What `npm run WHAT -- ARGS` comes to for this user. Pure.
 *
 * @param {string} what @param {readonly string[]} args @param {boolean} isRoot
 * @returns {RunPlan}
 */
export function planRun(what, args, isRoot) {
  const entry = Object.hasOwn(ENTRIES, what) ? ENTRIES[what] : undefined
  if (entry === undefined)
    return { kind: 'refuse', line: `usage: run.mjs ${Object.keys(ENTRIES).join('|')} [ARGS]`, exitCode: 2 }
  if (args.includes('--help')) return { kind: 'run', file: entry.file, os: 'none' }
  if (entry.needsRoot && !isRoot) {
    const passed = args.length === 0 ? '' : ` -- ${args.join(' ')}`
    const line = `${what} makes network namespaces and needs root, run: sudo env PATH="$PATH" npm run ${what}${passed}`
    return { kind: 'refuse', line, exitCode: 1 }
  }
  if (entry.needsRoot) return { kind: 'run', file: entry.file, os: 'required' }
  const isWhole = args.every((arg) => arg.startsWith('-'))
  return { kind: 'run', file: entry.file, os: isRoot && isWhole ? 'wanted' : 'none' }
}
