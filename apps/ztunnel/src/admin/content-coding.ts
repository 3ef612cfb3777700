import { promisify } from 'node:util'
import { brotliCompress, deflate, gzip, zstdCompress } from 'node:zlib'
import { preferences } from './preferences.ts'

export type Coding = 'gzip' | 'zstd' | 'deflate' | 'br'

const CODINGS: Readonly<Record<Coding, (body: Uint8Array) => Promise<Uint8Array>>> = {
  gzip: promisify<Uint8Array, Buffer>(gzip),
  zstd: promisify<Uint8Array, Buffer>(zstdCompress),
  deflate: promisify<Uint8Array, Buffer>(deflate),
  br: promisify<Uint8Array, Buffer>(brotliCompress),
}

/** Less is not worth it. */
const MIN_BYTES = 1024

/** The coding that a client wants most, and of those it wants as much the one that costs least; undefined for none. */
export function chooseCoding(acceptEncoding: string | undefined, bytes: number): Coding | undefined {
  if (bytes < MIN_BYTES) return undefined
  const wanted = preferences(acceptEncoding)
  let best: Coding | undefined
  let most = 0
  for (const coding of ['gzip', 'zstd', 'deflate', 'br'] as const) {
    const quality = wanted.get(coding) ?? wanted.get('*') ?? 0
    if (quality > most) [best, most] = [coding, quality]
  }
  return best
}

export function compress(coding: Coding, body: Uint8Array): Promise<Uint8Array> {
  return CODINGS[coding](body)
}
