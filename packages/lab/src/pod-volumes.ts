import { LabError } from './lab-error.ts'
import type { PodSpec, VolumeSpec } from './pod-spec.ts'
import type { CommandOptions, CommandResult } from './run-command.ts'

export interface VolumeDeps {
  /** Where the files of volumes lie, as the pod's programs see it. */
  readonly directory: string
  /** Runs a program in the pod. */
  readonly run: (argv: readonly string[], options?: CommandOptions) => Promise<CommandResult>
  /** Keys and texts of a ConfigMap of the pod's namespace. */
  readonly configMap: (namespace: string, name: string) => Promise<Readonly<Record<string, string>>>
  readonly token: (spec: PodSpec, volume: VolumeSpec & { kind: 'token' }) => Promise<string>
}

/**
 * A volume is a directory in the pod's own memory, bound to where containers want it. What a volume is bound over must
 * be there or be in memory too: nothing is ever made on the machine's disk.
 */
const MOUNT = `set -e
mkdir -p "$1"
case "$2" in /run/*|/var/run/*|/tmp/*|/var/tmp/*|/var/log/*) mkdir -p "$2";; esac
[ -d "$2" ] || { echo "mountPath $2 is no directory of this machine; use one below /run" >&2; exit 1; }
mount --bind "$1" "$2"`
const WRITE = 'mkdir -p "$(dirname "$1")" && cat >"$1.new" && mv "$1.new" "$1"'

/** Fills every volume of a pod and binds it into place. @throws {LabError} `COMMAND_FAILED` */
export async function mountVolumes(spec: PodSpec, deps: VolumeDeps): Promise<void> {
  for (const [name, volume] of spec.volumes) {
    for (const [file, text] of Object.entries(await filesOf(spec, volume, deps))) {
      await must(
        deps.run(['sh', '-c', WRITE, 'sh', `${deps.directory}/${name}/${file}`], { input: text }),
        `volume ${name}`,
      )
    }
  }
  if (spec.hostNetwork) return // its programs see the node's files: they are told the volume's own path
  for (const mount of spec.containers.flatMap((container) => container.mounts)) {
    if (!spec.volumes.has(mount.volume))
      throw new LabError('MANIFEST_INVALID', `There is no volume "${mount.volume}" to mount`)
    await must(
      deps.run(['sh', '-c', MOUNT, 'sh', `${deps.directory}/${mount.volume}`, mount.path]),
      `volume ${mount.volume}`,
    )
  }
}

/** Writes new tokens over the old, in one step each. @throws {LabError} `COMMAND_FAILED` */
export async function refreshTokens(spec: PodSpec, deps: VolumeDeps): Promise<void> {
  for (const [name, volume] of tokenVolumes(spec)) {
    const text = await deps.token(spec, volume)
    await must(
      deps.run(['sh', '-c', WRITE, 'sh', `${deps.directory}/${name}/${volume.path}`], { input: text }),
      `volume ${name}`,
    )
  }
}

/** How long the shortest-lived token of a pod serves before a kubelet replaces it: 80 % of its life. */
export function tokenLifeMs(spec: PodSpec): number | undefined {
  const lives = tokenVolumes(spec).map(([, volume]) => volume.expirationSeconds * 800)
  return lives.length === 0 ? undefined : Math.min(...lives)
}

function tokenVolumes(spec: PodSpec): readonly (readonly [string, VolumeSpec & { kind: 'token' }])[] {
  return [...spec.volumes].flatMap(([name, volume]) =>
    volume.kind === 'token' ? [[name, volume] as const] : [],
  )
}

async function filesOf(
  spec: PodSpec,
  volume: VolumeSpec,
  deps: VolumeDeps,
): Promise<Readonly<Record<string, string>>> {
  switch (volume.kind) {
    case 'empty':
      return {}
    case 'config-map':
      return deps.configMap(spec.namespace, volume.name)
    case 'token':
      return { [volume.path]: await deps.token(spec, volume) }
  }
}

async function must(running: Promise<CommandResult>, what: string): Promise<void> {
  const { code, stderr } = await running
  if (code !== 0) throw new LabError('COMMAND_FAILED', `Cannot make ${what}: ${stderr.trim()}`)
}
