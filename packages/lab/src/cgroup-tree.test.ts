import { expect, test } from 'vitest'
import { findCgroupRoots } from './cgroup-tree.ts'

const line = (path: string, type: string, options: string): string =>
  `30 20 0:26 / ${path} rw - ${type} ${type} ${options}`

test.each([
  {
    name: 'cgroup v2 alone',
    lines: [line('/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate')],
    roots: ['/sys/fs/cgroup'],
  },
  {
    name: 'both versions',
    lines: [
      line('/sys/fs/cgroup/cpuset', 'cgroup', 'rw,cpuset'),
      line('/sys/fs/cgroup/pids', 'cgroup', 'rw,pids'),
      line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd'),
      line('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
    ],
    roots: ['/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd'],
  },
  {
    name: 'cgroup v1 alone, and leaves out cpuset, which takes no process before it is set up',
    lines: [
      line('/sys/fs/cgroup/cpuset', 'cgroup', 'rw,cpuset'),
      line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
    ],
    roots: ['/sys/fs/cgroup/memory'],
  },
  { name: 'no cgroup at all', lines: [line('/', 'ext4', 'rw')], roots: [] },
])('findCgroupRoots() takes $name', ({ lines, roots }) => {
  expect(findCgroupRoots(`${lines.join('\n')}\n`)).toEqual(roots)
})
