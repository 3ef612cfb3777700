/** Enters a namespace and loses every way back while inside: what `enter` must not survive. */
import { writeSync } from 'node:fs'
import { closeDescriptor, NetworkNamespace } from '@ambient/linux'
import { openDescriptors } from '@ambient/testkit'

const pod = NetworkNamespace.open(process.argv[2] ?? '')
pod.enter(() => {
  writeSync(1, 'inside\n')
  for (const [fd, target] of openDescriptors()) if (target.startsWith('net:')) closeDescriptor(fd)
})
writeSync(1, 'went on\n')
