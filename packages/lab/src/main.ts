import { parseArgs } from 'node:util'
import { errorText } from '@ambient/lifecycle'
import { Lab } from './lab.ts'
import { parseFamilies } from './lab-addresses.ts'
import { applyFile, currentLab, execIn, listPods, readLogs, takeDown } from './lab-commands.ts'
import { LabError } from './lab-error.ts'
import { parseRedirectMode } from './mesh-apps.ts'
import { checkRequirements } from './requirements.ts'
import { LOOK_AROUND, runInBackground } from './run-in-background.ts'

const HELP = `Usage: npm run lab -- COMMAND

A mesh on this machine: nodes and pods are namespaces, the programs in them are real. Needs root.

  up [--nodes N] [--no-mesh] [--redirect iptables|nftables] [--families ipv4|ipv6|dual] [FILE…]
                                      start a lab (default 2 nodes) and apply files of Kubernetes YAML
  ps                                  its pods
  exec POD [--] CMD…                  run a program in a pod (shop/web) or on a node (node1); default sh
  logs APP                            what an app (istiod, ztunnel@node1, agent@node1) or a pod has said
  apply FILE                          apply a file of Kubernetes YAML
  down                                end every lab, and remove what a crashed one left
`
const UP_DEADLINE_MS = 120_000

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const [command = 'help', ...rest] = args
  try {
    return await run(command, rest)
  } catch (cause) {
    process.stderr.write(`lab: ${errorText(cause)}\n`)
    return cause instanceof LabError && cause.code === 'REQUIREMENT_MISSING' ? 3 : 1
  }
}

async function run(command: string, rest: readonly string[]): Promise<number> {
  const [first = ''] = rest
  switch (command) {
    case 'up':
      return startHolder(rest)
    case 'hold':
      return hold(rest)
    case 'ps':
      return say(await listPods(currentLab()))
    case 'exec':
      return execIn(currentLab(), first, rest.slice(rest[1] === '--' ? 2 : 1))
    case 'logs':
      process.stdout.write(readLogs(currentLab(), first))
      return 0
    case 'apply':
      return say(applyFile(currentLab(), first).join('\n'))
    case 'down':
      checkRequirements()
      return say((await takeDown()).join('\n') || 'No lab is up')
    default:
      return help(command)
  }
}

function help(command: string): number {
  if (command === 'help' || command === '--help') return say(HELP.trimEnd())
  process.stderr.write(`lab: "${command}" is no command\n${HELP}`)
  return 2
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

/** Starts a process that holds the lab, and waits until it is up. */
function startHolder(args: readonly string[]): Promise<number> {
  checkRequirements()
  return runInBackground([import.meta.filename, 'hold', ...args])
}

/** Is the lab until a signal takes it down. */
async function hold(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      nodes: { type: 'string', default: '2' },
      'no-mesh': { type: 'boolean', default: false },
      redirect: { type: 'string', default: 'iptables' },
      families: { type: 'string', default: 'ipv4' },
    },
  })
  const nodes = Number(values.nodes)
  if (!Number.isInteger(nodes) || nodes < 1)
    throw new LabError('MANIFEST_INVALID', `--nodes must be a number from 1: "${values.nodes}"`)
  const report = (message: string): void => void process.stderr.write(`lab: ${message}\n`)
  const lab = await Lab.up({
    nodes,
    mesh: !values['no-mesh'],
    families: parseFamilies(values.families),
    redirectMode: parseRedirectMode(values.redirect),
    manifests: positionals,
    report,
  })
  await lab.ready(UP_DEADLINE_MS).catch((cause: unknown) => report(String(cause)))
  say(`Lab ${lab.id} is up. ${LOOK_AROUND}`)
  return new Promise<never>(() => setInterval(() => {}, 2 ** 30))
}
