import type { Ground } from '../ground.ts'
import { countOf } from '../load-program.ts'
import { type CpuMark, readCpuMark } from '../machine-load.ts'
import type { BenchCase, Measured } from './bench-case.ts'

const STREAMS = [1, 8, 64]

export const bytes: BenchCase = {
  name: 'bytes',
  title: `bytes from the server on ${STREAMS.join(', ')} streams, each compared with the one sent, and the CPU they cost`,
  needs: 'any ground',
  measure: async (ground, seconds) => {
    const measured: Measured[] = []
    for (const many of STREAMS) measured.push(...(await measureOne(ground, many, seconds)))
    return measured
  },
}

interface Look {
  readonly carriersMs: number
  readonly mark: CpuMark
}

async function measureOne(ground: Ground, many: number, seconds: number): Promise<readonly Measured[]> {
  const look = (): Look => ({ carriersMs: ground.use().cpuMs, mark: readCpuMark() })
  let before = look()
  const counts = await ground.load({ mode: 'bytes', many, seconds }, () => {
    before = look()
  })
  const after = look()
  const streams = many === 1 ? '1 stream' : `${many} streams`
  const gigabytes = countOf(counts, 'bytes') / 1e9
  const carriers = (after.carriersMs - before.carriersMs) / 1000
  const ours = ({ ownMs, kernelMs }: CpuMark): number => ownMs + kernelMs
  const everything = (ours(after.mark) - ours(before.mark)) / 1000
  const rate = countOf(counts, 'bytes') / countOf(counts, 'seconds') / 1e6
  return [
    { case: `bytes, ${streams}`, value: rate, unit: 'MB/s' },
    { case: `CPU of load and carriers, ${streams}`, value: everything / gigabytes, unit: 'CPU-s/GB' },
    ...(after.carriersMs === 0
      ? []
      : [{ case: `CPU of carriers, ${streams}`, value: carriers / gigabytes, unit: 'CPU-s/GB' }]),
  ]
}
