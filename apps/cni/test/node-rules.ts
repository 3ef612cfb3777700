import { execFileSync } from 'node:child_process'

export function ip(...words: readonly string[]): string {
  return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

export function inNetns(netns: string, ...words: readonly string[]): string {
  return execFileSync('nsenter', [`--net=/run/netns/${netns}`, '--', ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

/** All rules, policy rules and routes of a namespace; empty chains and counters left out. */
export function rulesOf(netns: string): string {
  const saved = ['iptables-save', 'ip6tables-save'].map((program) =>
    inNetns(netns, program)
      .split('\n')
      .filter((line) => line.startsWith('-A') || /^:\S+ -/.test(line))
      .join('\n'),
  )
  const routing = ['-4', '-6'].flatMap((family) => [
    ip('-n', netns, family, 'rule'),
    ip('-n', netns, family, 'route', 'show', 'table', 'all'),
  ])
  return [...saved, ...routing].join('\n--\n')
}
