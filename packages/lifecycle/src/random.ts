import { randomFillSync } from 'node:crypto'

/** Where chance comes from; injected, so that a test can fix it. */
export interface Random {
  /** Uniform in [0, 1). Not for secrets. */
  float(): number
  /** `count` unpredictable bytes. */
  bytes(count: number): Uint8Array
}

export const systemRandom: Random = {
  float: () => Math.random(),
  bytes: (count) => randomFillSync(new Uint8Array(count)),
}
