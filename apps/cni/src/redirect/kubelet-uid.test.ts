import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kubeletUid } from './kubelet-uid.ts'

interface Process {
  readonly comm: string
  readonly cmdline: string
  readonly uid?: number
}

function withProc<T>(processes: readonly Process[], look: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'cni-proc-'))
  mkdirSync(join(root, 'sys'))
  processes.forEach(({ comm, cmdline, uid }, at) => {
    const folder = join(root, `${at + 1}`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'comm'), `${comm}\n`)
    writeFileSync(join(folder, 'cmdline'), cmdline.replaceAll(' ', '\0'))
    if (uid !== undefined) writeFileSync(join(folder, 'status'), `Name:\t${comm}\nUid:\t${uid}\t9\t9\t9\n`)
  })
  try {
    return look(root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

test.each([
  {
    what: 'the kubelet',
    processes: [
      { comm: 'init', cmdline: 'init', uid: 0 },
      { comm: 'kubelet', cmdline: '/usr/bin/kubelet --v=2', uid: 7 },
    ],
    uid: 7,
  },
  {
    what: 'kubelite',
    processes: [{ comm: 'kubelite', cmdline: 'kubelite --kubelet-args-file=x', uid: 0 }],
    uid: 0,
  },
  {
    what: 'k3s, whose arguments do not say so',
    processes: [{ comm: 'k3s', cmdline: '/bin/k3s agent', uid: 3 }],
    uid: 3,
  },
  {
    what: 'nobody else of that name',
    processes: [{ comm: 'kubelet', cmdline: 'sleep 9', uid: 5 }],
    uid: undefined,
  },
  {
    what: 'nobody whose process has ended',
    processes: [{ comm: 'kubelet', cmdline: 'kubelet' }],
    uid: undefined,
  },
])('kubeletUid() finds $what', ({ processes, uid }) => {
  expect(withProc(processes, kubeletUid)).toBe(uid)
})
