import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SelfSignedSource } from '@ambient/ca'
import { systemClock } from '@ambient/lifecycle'
import { splitPem } from '@ambient/spiffe'

export interface Root {
  readonly certificatePem: string
  readonly keyPem: string
}

/** A root that nobody else has. */
export async function newRoot(): Promise<Root> {
  const directory = mkdtempSync(join(tmpdir(), 'root-'))
  try {
    await new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock: systemClock }).open()
    const text = readFileSync(join(directory, 'ca-root.pem'), 'utf8')
    const certificatePem = `${splitPem(text)[0] ?? ''}\n`
    return { certificatePem, keyPem: text.slice(0, text.indexOf('-----BEGIN CERTIFICATE')) }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
