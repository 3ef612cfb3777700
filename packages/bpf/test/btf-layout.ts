import { readFileSync } from 'node:fs'

/** What the compiler wrote into an object about a structure or an enumeration. */
export interface BtfLayout {
  readonly name: string
  readonly bytes: number
  /** Of a structure: where each member begins, in bytes. Of an enumeration: the value of each name. */
  readonly members: Readonly<Record<string, number>>
}

const ELF_SECTION_BYTES = 64
const TYPE_BYTES = 12
const STRUCT = 4
const ENUM = 6
/** Bytes behind the fixed part, by kind, of each member where there are such. */
const EXTRA: Readonly<Record<number, (count: number) => number>> = {
  1: () => 4,
  3: () => 12,
  4: (count) => count * 12,
  5: (count) => count * 12,
  6: (count) => count * 8,
  13: (count) => count * 8,
  14: () => 4,
  15: (count) => count * 12,
  17: () => 4,
  19: (count) => count * 12,
}

/** Reads the BTF of an object file: the structures and enumerations in it, by name. */
export function btfLayouts(path: string): ReadonlyMap<string, BtfLayout> {
  const btf = section(readFileSync(path), '.BTF')
  const headerBytes = btf.readUInt32LE(4)
  const types = btf.subarray(
    headerBytes + btf.readUInt32LE(8),
    headerBytes + btf.readUInt32LE(8) + btf.readUInt32LE(12),
  )
  const strings = btf.subarray(headerBytes + btf.readUInt32LE(16))
  const found = new Map<string, BtfLayout>()
  for (let at = 0; at < types.length;) {
    const info = types.readUInt32LE(at + 4)
    const kind = (info >> 24) & 31
    const count = info & 0xffff
    const step = kind === STRUCT ? 12 : 8
    if (kind === STRUCT || kind === ENUM) {
      const name = textAt(strings, types.readUInt32LE(at))
      const members = Array.from({ length: count }, (_, index) => {
        const member = at + TYPE_BYTES + index * step
        const value = kind === STRUCT ? types.readUInt32LE(member + 8) / 8 : types.readInt32LE(member + 4)
        return [textAt(strings, types.readUInt32LE(member)), value] as const
      })
      found.set(name, { name, bytes: types.readUInt32LE(at + 8), members: Object.fromEntries(members) })
    }
    at += TYPE_BYTES + (EXTRA[kind]?.(count) ?? 0)
  }
  return found
}

function section(elf: Buffer, name: string): Buffer {
  const table = Number(elf.readBigUInt64LE(40))
  const header = (index: number): Buffer => elf.subarray(table + index * ELF_SECTION_BYTES)
  const content = (each: Buffer): Buffer => {
    const from = Number(each.readBigUInt64LE(24))
    return elf.subarray(from, from + Number(each.readBigUInt64LE(32)))
  }
  const names = content(header(elf.readUInt16LE(62)))
  const all = Array.from({ length: elf.readUInt16LE(60) }, (_, index) => header(index))
  const wanted = all.find((each) => textAt(names, each.readUInt32LE(0)) === name)
  if (wanted === undefined) throw new Error(`no section ${name}`)
  return content(wanted)
}

function textAt(strings: Buffer, at: number): string {
  return strings.subarray(at, strings.indexOf(0, at)).toString()
}
