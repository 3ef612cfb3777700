import type { StringMatch } from '@ambient/policy'
import type { EnvoyFields } from '@ambient/xds-proto'

/** A match of a text, as Envoy says it. */
export function matcherOf(match: StringMatch): EnvoyFields {
  switch (match.kind) {
    case 'presence':
      return { safe_regex: { regex: '.+' } }
    case 'exact':
      return { exact: match.value }
    case 'prefix':
      return { prefix: match.value }
    case 'suffix':
      return { suffix: match.value }
  }
}

/** A regular expression that matches this text alone. */
export function exactly(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
