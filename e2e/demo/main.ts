/** `npm run demo`: the real mesh on one machine, step by step; ends with 0 only if every step was seen to hold. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { Lab, LOOK_AROUND, removeLeftovers, runInBackground, tracesOf } from '@ambient/lab'
import { SHOP } from '../shop.ts'
import { type Sabotage, SABOTAGES } from './sabotage.ts'
import { broken, heading, progress, seen } from './show.ts'
import { tellStory } from './story.ts'

const USAGE = `usage: npm run demo [-- --keep | --sabotage ${SABOTAGES.join('|')}]`
const LEAKED = `demo-leak-${process.pid}`

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const [option, value] = args
  const sabotage = SABOTAGES.find((name) => option === '--sabotage' && name === value)
  if (option === '--help') {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  if (option === '--keep' && args.length === 1) return runInBackground([import.meta.filename, '--hold'])
  if (args.length > 0 && option !== '--hold' && sabotage === undefined) {
    process.stderr.write(`demo: unknown option "${args.join(' ')}"; ${USAGE}\n`)
    return 2
  }
  return demonstrate(sabotage, option === '--hold')
}

async function demonstrate(sabotage: Sabotage | undefined, isKept: boolean): Promise<number> {
  const namesBefore = netnsNames()
  const startedMs = performance.now()
  const lasted = (): string => `${((performance.now() - startedMs) / 1000).toFixed(0)} s`
  heading('A lab: two nodes, an agent and a ztunnel on each, one istiod, and a small shop')
  progress('the lab to come up')
  const lab = await Lab.up({ nodes: 2, manifests: [SHOP], report: broken })
  const failures: unknown[] = []
  await tellStory(lab, sabotage).catch((cause: unknown) => failures.push(cause))
  if (isKept && failures.length === 0) {
    seen(`everything held (${lasted()}); the lab stays up`)
    process.stdout.write(`${LOOK_AROUND}\n`)
    return new Promise<never>(() => setInterval(() => {}, 1 << 30))
  }
  progress('the lab to go down')
  if (sabotage === 'leak') execFileSync('ip', ['netns', 'add', LEAKED])
  await takeDown(lab, namesBefore).catch(async (cause: unknown) => {
    failures.push(cause)
    await removeLeftovers()
  })
  if (sabotage === 'leak') execFileSync('ip', ['netns', 'del', LEAKED])
  const [first] = failures
  if (failures.length === 0) seen(`everything held, and nothing is left behind (${lasted()})`)
  else broken(first instanceof Error ? first.message : JSON.stringify(first))
  return failures.length === 0 ? 0 : 1
}

/** @throws {Error} naming what is left of the lab */
async function takeDown(lab: Lab, namesBefore: readonly string[]): Promise<void> {
  await lab.down()
  const left = [...tracesOf(lab.id), ...netnsNames().filter((name) => !namesBefore.includes(name))]
  if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`)
}

/** Names that a lab could leave on the machine; others belong to whoever works here as well. */
function netnsNames(): readonly string[] {
  const all = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  return all.filter((name) => name.startsWith('cni-') || name === LEAKED)
}
