import { race, type RaceDeps } from '../race.ts'
import { benchIstiod } from './bench-istiod.ts'
import type { MeshSize } from './generate-mesh.ts'

/** A mesh that the control plane is measured with; it stands where other cases have a contestant. */
export interface Mesh {
  readonly name: string
  readonly size: MeshSize
}

export const meshes: readonly Mesh[] = [
  { name: '2000-pods', size: { services: 1000, pods: 2000 } },
  { name: '20000-pods', size: { services: 1000, pods: 20_000 } },
]

export interface IstiodMeasurement {
  readonly meshes: readonly Mesh[]
  readonly rounds: number
  readonly seconds: number
}

/** Mesh after mesh in turn, each with a control plane that has just been started. */
export async function measureIstiod(
  { meshes: chosen, rounds, seconds }: IstiodMeasurement,
  deps: RaceDeps,
): Promise<void> {
  const runners = chosen.map(({ name, size }) => ({
    contestant: name,
    measure: () => benchIstiod(size, seconds),
  }))
  await race(runners, rounds, deps)
}
