import { DnsError } from './dns-error.ts'
import type { DnsName } from './dns-message.ts'

const MAX_LABEL_BYTES = 63
const MAX_NAME_BYTES = 255

/**
 * The labels of a name as bytes; none for the root.
 *
 * @throws {DnsError} `DNS_NAME_INVALID` for an empty or too long label, a too long name or a broken escape.
 */
export function nameLabels(name: DnsName): readonly Uint8Array[] {
  if (name === '') return []
  const labels: number[][] = [[]]
  for (let at = 0; at < name.length; at++) {
    if (name[at] === '.') {
      labels.push([])
      continue
    }
    const escaped = name[at] === '\\' ? readEscape(name, at) : { byte: name.charCodeAt(at), length: 1 }
    if (escaped.byte > 255) throw invalid(name, 'it holds a character that is not ASCII')
    labels.at(-1)?.push(escaped.byte)
    at += escaped.length - 1
  }
  const bytes = labels.reduce((sum, label) => sum + label.length + 1, 1)
  if (bytes > MAX_NAME_BYTES) throw invalid(name, `it is longer than ${MAX_NAME_BYTES} bytes`)
  if (labels.some((label) => label.length === 0)) throw invalid(name, 'a label is empty')
  if (labels.some((label) => label.length > MAX_LABEL_BYTES))
    throw invalid(name, `a label is longer than ${MAX_LABEL_BYTES} bytes`)
  return labels.map((label) => Uint8Array.from(label))
}

/** Whatever the case of their letters. */
export function isSameName(a: DnsName, b: DnsName): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase()
}

function readEscape(name: DnsName, at: number): { readonly byte: number; readonly length: number } {
  const digits = /^\d{3}/.exec(name.slice(at + 1))?.[0]
  if (digits !== undefined) return { byte: Number(digits), length: 4 }
  const byte = name.charCodeAt(at + 1)
  if (Number.isNaN(byte)) throw invalid(name, 'it ends within an escape')
  return { byte, length: 2 }
}

function invalid(name: DnsName, reason: string): DnsError {
  return new DnsError('DNS_NAME_INVALID', `Cannot use DNS name "${name}": ${reason}`)
}
