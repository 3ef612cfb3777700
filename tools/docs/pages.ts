import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCompatibility } from './app-compatibility.ts'
import { readEnvironment } from './app-environment.ts'
import { readAppLimits } from './app-limits.ts'
import { compatibilityPage } from './compatibility-page.ts'
import { limitsPage } from './limits-page.ts'
import { metricsPage } from './metrics-page.ts'
import { performancePage } from './performance-page.ts'
import { portsPage } from './ports-page.ts'
import { troubleshootingPage } from './troubleshooting-page.ts'

const NOTE =
  '<!-- Made by tools/docs/main.ts from the tables in the source: change those, then run it again. -->\n'

/** Every generated page by file name, as the tables of the source and the recorded run say it now. */
export async function makePages(): Promise<ReadonlyMap<string, string>> {
  const root = join(import.meta.dirname, '..', '..')
  const docs = join(root, 'docs')
  const pages = {
    'ports.md': portsPage(),
    'metrics.md': metricsPage(),
    'troubleshooting.md': troubleshootingPage(),
    'limits.md': limitsPage(await readAppLimits(root)),
    'compatibility.md': compatibilityPage(await readCompatibility(root), await readEnvironment(root)),
  }
  return new Map([
    ...Object.entries(pages).map(([name, text]) => [name, NOTE + text] as const),
    [
      'performance.md',
      performancePage(
        readPage(join(docs, 'performance.md')) ?? '',
        readPage(join(docs, 'performance.jsonl')) ?? '',
      ),
    ],
  ])
}

export async function writePages(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of await makePages()) writeFileSync(join(folder, name), text)
}

/** @returns The names of pages that are missing or say something else than the source. */
export async function stalePages(folder: string): Promise<readonly string[]> {
  return [...(await makePages())]
    .filter(([name, text]) => readPage(join(folder, name)) !== text)
    .map(([name]) => name)
}

function readPage(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
