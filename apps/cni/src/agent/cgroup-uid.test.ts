import { expect, test } from 'vitest'
import { podOfCgroup, startTimeOf } from './cgroup-uid.ts'

const uid = '1a2b3c4d-1111-2222-3333-444455556666'
const under = uid.replaceAll('-', '_')
const pod = { kind: 'pod', uid }

test.each([
  {
    name: 'cgroupfs, v1',
    text: `12:pids:/kubepods/besteffort/pod${uid}/abcdef0123\n1:name=systemd:/kubepods/besteffort/pod${uid}/abcdef0123`,
    expected: pod,
  },
  { name: 'cgroupfs, v2, guaranteed', text: `0::/kubepods/pod${uid}/abcdef0123`, expected: pod },
  {
    name: 'systemd driver with containerd',
    text: `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${under}.slice/cri-containerd-abc.scope`,
    expected: pod,
  },
  {
    name: 'systemd driver with CRI-O',
    text: `0::/kubepods.slice/kubepods-pod${under}.slice/crio-abc.scope/container`,
    expected: pod,
  },
  {
    name: 'a cluster inside a container',
    text: `0::/docker/ff00/kubelet/kubepods/burstable/pod${uid}/c1`,
    expected: pod,
  },
  { name: 'a path below the root of a cgroup namespace', text: `0::/../../pod${uid}/c1`, expected: pod },
  { name: 'capital letters', text: `0::/kubepods/pod${uid.toUpperCase()}/c1`, expected: pod },
  {
    name: 'the hash of a static pod',
    text: '0::/kubepods/pod0123456789abcdef0123456789abcdef/c1',
    expected: { kind: 'pod', uid: '0123456789abcdef0123456789abcdef' },
  },
  { name: 'nothing of a pod', text: '0::/system.slice/ssh.service', expected: { kind: 'none' } },
  { name: 'a UID that is too short', text: '0::/kubepods/pod1a2b3c4d-1111/c1', expected: { kind: 'none' } },
  { name: 'an empty file', text: '', expected: { kind: 'none' } },
  {
    name: 'a pod inside a pod',
    text: `0::/kubepods/pod${uid}/c1/kubepods/pod${uid.replace('1a', '2a')}/c2`,
    expected: { kind: 'several', uids: [uid, uid.replace('1a', '2a')] },
  },
])('podOfCgroup() reads $name', ({ text, expected }) => {
  expect(podOfCgroup(text)).toEqual(expected)
})

const fields = Array.from({ length: 30 }, (_, n) => String(n + 3)).join(' ')
test.each([
  { name: 'an ordinary line', stat: `77 (nginx) ${fields}`, expected: 22 },
  { name: 'a name with brackets and spaces', stat: `77 (a) b (c) ${fields}`, expected: 22 },
  { name: 'a line that is cut', stat: '77 (nginx) S 1 2', expected: undefined },
])('startTimeOf() reads $name', ({ stat, expected }) => {
  expect(startTimeOf(stat)).toBe(expected)
})
