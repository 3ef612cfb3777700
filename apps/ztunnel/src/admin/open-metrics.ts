import { preferences } from './preferences.ts'

const OPEN_METRICS = 'application/openmetrics-text'
export const OPEN_METRICS_TYPE: string = `${OPEN_METRICS}; version=1.0.0; charset=utf-8`

export function wantsOpenMetrics(accept: string | undefined): boolean {
  return (preferences(accept).get(OPEN_METRICS) ?? 0) > 0
}

/**
 * The text format of Prometheus as OpenMetrics: a counter's family has its name without `_total`, nothing is blank, and
 * the end is marked.
 */
export function toOpenMetrics(text: string): string {
  const lines: string[] = []
  const counters = new Set(text.matchAll(/^# TYPE (\S+)_total counter$/gm).map(([, name]) => name))
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+)_total (.*)$/.exec(line) ?? []
    if (keyword !== undefined && counters.has(name)) lines.push(`# ${keyword} ${name} ${rest}`)
    else if (line !== '') lines.push(line)
  }
  return `${lines.join('\n')}\n# EOF\n`
}
