import type { VariableEntry } from './app-environment.ts'
import type { CompatibilityEntry, CompatibilitySection } from './app-compatibility.ts'
import { markdownTable } from './markdown-table.ts'

export function compatibilityPage(
  sections: readonly CompatibilitySection[],
  environment: readonly VariableEntry[],
): string {
  const parts = sections.map(
    ({ title, entries }) => `## ${title}

${markdownTable(['place', 'status', 'shown by, or why'], entries.map(row))}`,
  )
  return `# Compatibility

What the control plane makes of the fields, labels and annotations of Kubernetes' and Istio's objects. A row is for everything
below it too.

- **supported**: the test that is named shows it; a golden case is \`testdata/NAME.in.yaml\` beside the test, and what becomes of it.
- **ignored**: it says something that is not done. Whoever sets it is told so by a warning on the object.
- **untouched**: the cluster does it as it would without a mesh.

${parts.join('\n')}
## Environment of ztunnel

Every variable that this node proxy or upstream's reads; what those mean that are read is in [its README](../apps/ztunnel/README.md).

- **read**: as upstream does, unless said otherwise.
- **refused**: the process does not start with it, and says so.
- **without effect**: it is known and nothing follows from it; a warning at the start names it.

${markdownTable(
  ['variable', 'status', 'note'],
  environment.map(({ name, status, note }) => [`\`${name}\``, status, note]),
)}`
}

function row({ place, status, evidence, note }: CompatibilityEntry): readonly string[] {
  const shown = status === 'supported' ? evidenceOf(evidence) : evidence
  return [`\`${place}\``, status, note === '' ? shown : `${shown}; ${note}`]
}

function evidenceOf(test: string): string {
  const [file = '', title = ''] = test.split(' › ')
  const [, golden] = /^meshState\(\) turns (.*)\.in\.yaml into /.exec(title) ?? []
  if (golden !== undefined) return `golden \`${golden}\``
  return `[${title}](../${file})`
}
