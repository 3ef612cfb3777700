import { readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { NetworkNamespace } from '@ambient/linux'

const main = parentPort
using pod = NetworkNamespace.open(String(workerData))
let inside = ''
for (let i = 0; i < 2000; i++) inside = pod.enter(() => readlinkSync('/proc/thread-self/ns/net'))
await readFile('/proc/self/status')
main?.postMessage({ inside, outside: readlinkSync('/proc/thread-self/ns/net') }, [])
