/** `npm run demo`: the real mesh on one machine, step by step; ends with 0 only if every step was seen to hold. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Lab, LOOK_AROUND, removeLeftovers, runInBackground, tracesOf } from '@ambient/lab'
import { errorText } from '@ambient/lifecycle'
import { SHOP } from '../shop.ts'
import { parseWay, type Way, wayOptions } from '../way.ts'
import { type Sabotage, SABOTAGES } from './sabotage.ts'
import { broken, heading, progress, seen } from './show.ts'
import { tellStory } from './story.ts'

const USAGE = `usage: npm run demo [-- OPTION...]

  --redirect iptables|nftables  how pods are redirected; default iptables
  --families ipv4|ipv6|dual     which addresses pods and services have; default ipv4
  --keep                        the lab stays up afterwards, to look around in
  --sabotage ${SABOTAGES.join('|')}
                                breaks that on purpose: the demo must notice, and end with an error
`
const LEAKED = `demo-leak-${process.pid}`

interface DemoOptions extends Way {
  readonly mode: 'show' | 'keep' | 'hold' | 'help'
  readonly sabotage: Sabotage | undefined
}

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let options: DemoOptions
  try {
    options = readOptions(args)
  } catch (cause) {
    process.stderr.write(`demo: ${errorText(cause)}\n${USAGE}`)
    return 2
  }
  switch (options.mode) {
    case 'help':
      process.stdout.write(USAGE)
      return 0
    case 'keep':
      return runInBackground([import.meta.filename, '--hold', ...wayOptions(options)])
    default:
      return demonstrate(options)
  }
}

/** @throws {Error} for what it cannot be asked for */
function readOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      redirect: { type: 'string' },
      families: { type: 'string' },
      keep: { type: 'boolean', default: false },
      hold: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      sabotage: { type: 'string' },
    },
  })
  const sabotage = SABOTAGES.find((name) => name === values.sabotage)
  if (sabotage !== values.sabotage) throw new Error(`"${values.sabotage}" is nothing that can be sabotaged`)
  if (sabotage !== undefined && values.keep) throw new Error('nothing sabotaged is kept')
  const [mode = 'show'] = (['help', 'keep', 'hold'] as const).filter((name) => values[name])
  return { ...parseWay(values.redirect, values.families), mode, sabotage }
}

async function demonstrate({ redirectMode, families, mode, sabotage }: DemoOptions): Promise<number> {
  const namesBefore = netnsNames()
  const startedMs = performance.now()
  const lasted = (): string => `${((performance.now() - startedMs) / 1000).toFixed(0)} s`
  heading('A lab: two nodes, an agent and a ztunnel on each, one istiod, and a small shop')
  progress('the lab to come up')
  const lab = await Lab.up({ nodes: 2, redirectMode, families, manifests: [SHOP], report: broken })
  const failures: unknown[] = []
  await tellStory(lab, sabotage).catch((cause: unknown) => failures.push(cause))
  if (mode === 'hold' && failures.length === 0) {
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
