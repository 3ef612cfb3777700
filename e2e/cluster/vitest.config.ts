import { defineConfig, mergeConfig } from 'vitest/config'
import base from '../../tools/vitest.base.ts'

/** Suites change one cluster: one after the other. */
export default mergeConfig(
  base,
  defineConfig({
    test: {
      include: ['cluster/suites/*.suite.ts'],
      fileParallelism: false,
      testTimeout: 180_000,
      hookTimeout: 300_000,
    },
  }),
)
