import { defineConfig } from 'vitest/config'

/** Those take longer than somebody at work waits; `npm test -- --long` and CI run them as well. */
const LONG = '**/*.long.test.ts'
const conditions = ['@ambient/source', 'node', 'import', 'module', 'default']

/** Shared by every package: real files from source, one process a file, because namespaces and descriptors belong to a process. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', ...(process.env['TEST_LONG'] === '1' ? [] : [LONG])],
    pool: 'forks',
    execArgv: ['--conditions=@ambient/source', '--disable-warning=ExperimentalWarning'],
    testTimeout: 120_000,
    hookTimeout: 240_000,
    passWithNoTests: false,
  },
})
