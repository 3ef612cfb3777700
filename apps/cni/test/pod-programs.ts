import { waitFor } from '@ambient/testkit'
import type { CniNode, TestPod } from './cni-node.ts'

const ECHO = `const n=require('net');n.createServer(s=>{s.on('error',()=>{});s.write('peer '+s.remoteAddress.replace('::ffff:','')+'\\n');s.pipe(s)}).listen(8080,'::',()=>console.log('up'))`

/** An echo server in the pod that greets with the address it sees. */
export async function startEcho(node: CniNode, pod: TestPod): Promise<void> {
  const server = node.runInPod(pod, [process.execPath, '-e', ECHO])
  let said = ''
  server.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await waitFor('the echo server to listen', () => said.includes('up'))
}

export interface TestClient {
  send(text: string): void
  heard(): string
  exited(): boolean
  close(): void
}

/** A client in the network `from` that stays connected to the pod's echo; says what it heard. */
export function connectTo(node: CniNode, pod: TestPod, from: string): TestClient {
  const script = `const s=require('net').connect(8080,'${pod.ip}');s.on('data',d=>process.stdout.write(d));process.stdin.on('data',d=>s.write(d));s.on('error',e=>{console.log(e.code);process.exit(3)});s.on('close',()=>process.exit(4))`
  const client = node.spawn(from, [process.execPath, '-e', script], {})
  let heard = ''
  client.stdout?.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  return {
    send: (text) => void client.stdin?.write(text),
    heard: () => heard,
    exited: () => client.exitCode !== null,
    close: () => void client.kill('SIGKILL'),
  }
}
