import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { newSerialNumber } from './key-algorithm.ts'

/** @returns undefined when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw cause
  }
}

/** Readers see the old text or the new one. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  await rename(await writeAside(path, text, mode), path)
}

/** A file beside `path` that is on the disk before it gets the name that counts. */
export async function writeAside(path: string, text: string, mode: number): Promise<string> {
  const aside = `${path}.${process.pid}.${newSerialNumber()}`
  await using file = await open(aside, 'wx', mode)
  await file.writeFile(text)
  await file.sync()
  return aside
}

export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** Tells whether a file may have changed; the empty text if it is not there. Follows links, as mounted secrets are. */
export async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path)
    return `${ino} ${size} ${mtimeMs}`
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return ''
    throw cause
  }
}

export function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code
}
