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
