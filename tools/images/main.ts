/** `npm run images -- [--hub HUB] [--tag TAG] [NAME…]`: builds the container images from this checkout, with Docker. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { assembleImage, images } from './assemble-image.ts'

const root = join(import.meta.dirname, '..', '..')
const { values, positionals } = parseArgs({
  options: { hub: { type: 'string', default: 'ambient' }, tag: { type: 'string', default: 'dev' } },
  allowPositionals: true,
})

process.exitCode = main()

function main(): number {
  const unknown = positionals.filter((name) => !images.some((image) => image.name === name))
  if (unknown.length > 0) {
    say(`no image is called ${unknown.join(' or ')}: there are ${images.map(({ name }) => name).join(', ')}`)
    return 2
  }
  if (spawnSync('docker', ['version'], { stdio: 'ignore' }).status !== 0) {
    say('needs a running Docker daemon, and the command docker to reach it')
    return 1
  }
  if (!run(join(root, 'tools/check/typecheck.sh'), [])) return 1 // it builds dist as well
  mkdirSync(join(root, 'node_modules/.images'), { recursive: true })
  for (const image of images) {
    if (positionals.length > 0 && !positionals.includes(image.name)) continue
    const context = join(root, 'node_modules/.images', image.name)
    const packages = assembleImage(root, image, context)
    const reference = `${values.hub}/${image.name}:${values.tag}`
    say(`${reference}: ${packages.length} packages`)
    // The classic builder and BuildKit take the same files; the network of the host is where package registries are reached.
    if (!run('docker', ['build', '--quiet', '--network=host', '-t', reference, context])) return 1
  }
  return 0
}

function run(program: string, args: readonly string[]): boolean {
  const { status } = spawnSync(program, args, { stdio: 'inherit', cwd: root })
  if (status !== 0) say(`${program} ${args.join(' ')} ended with ${status}`)
  return status === 0
}

function say(text: string): void {
  process.stderr.write(`images: ${text}\n`)
}
