import { type MetricDefinition, metricTable, trafficLabelNames } from '@ambient/telemetry'
import { markdownTable } from './markdown-table.ts'

export function metricsPage(): string {
  const rows = [...metricTable].map(([name, row]) => [
    row.component,
    `\`${name}\``,
    row.type,
    row.help,
    labelsOf(row),
  ])
  return `# Metrics

Everything that can be scraped. Component \`all\`: every program of the mesh has it.

${markdownTable(['component', 'name', 'type', 'meaning', 'labels'], rows)}
## Traffic labels

In this order, on every metric whose labels are "traffic". A value that is not known is \`unknown\`.

${markdownTable(
  ['label'],
  trafficLabelNames.map((name) => [`\`${name}\``]),
)}`
}

function labelsOf({ labels, buckets }: MetricDefinition): string {
  const names = labels === trafficLabelNames ? 'traffic' : labels.map((label) => `\`${label}\``).join(', ')
  return buckets === undefined
    ? names
    : [names, `buckets ${buckets.join(', ')}`].filter((part) => part !== '').join('; ')
}
