import type { Flavour } from './build-runner.ts'
import type { Exception } from './exceptions.ts'
import type { CaseOutcome } from './run-cases.ts'

const HEAD = `<!-- Made by npm run h2spec -- --write. -->
# What h2spec says of HBONE

[h2spec](https://github.com/summerwind/h2spec) 2.2.1, every case of it, strict ones too, against a server as ztunnel has it: mutual TLS with ALPN h2, session, tunnels, and an app behind them. It is run twice: as it is, and with its GET and POST made into CONNECT, so that the cases meet an open tunnel and not a refusal. \`npm run h2spec\` needs Go, and fails when a case does not do what this page says, in either direction.

The numbers are h2spec's own: \`generic\` and \`http2\` by sections of RFC 7540, \`hpack\` of RFC 7541, each with the numbers of its cases.
`

/** The page of what passes and what cannot. Pure. */
export function h2specPage(
  outcomes: Readonly<Record<Flavour, readonly CaseOutcome[]>>,
  exceptions: readonly Exception[],
): string {
  const passing = (flavour: Flavour): ReadonlySet<string> =>
    new Set(outcomes[flavour].filter(({ verdict }) => verdict === 'passed').map(({ id }) => id))
  const [plain, connect] = [passing('plain'), passing('connect')]
  const all = outcomes.plain.map(({ id }) => id)
  const sections = Map.groupBy(all, sectionOf)
  const rows = [...sections].map(
    ([section, ids]) =>
      `| ${section} | ${ids.length} | ${numbersOf(ids, plain)} | ${numbersOf(ids, connect)} |`,
  )
  const either = all.filter((id) => plain.has(id) || connect.has(id)).length
  return `${HEAD}
Of ${all.length} cases ${plain.size} pass as they are, ${connect.size} by CONNECT, and ${either} in at least one of the two ways.

## What passes

| section | cases | as it is | by CONNECT |
| --- | --- | --- | --- |
${rows.join('\n')}

## What cannot

| cases | asked | why |
| --- | --- | --- |
${exceptions.map(({ flavour, ids, reason }) => `| ${ids.join(', ')} | ${flavour === 'plain' ? 'as they are' : 'by CONNECT'} | ${reason} |`).join('\n')}
`
}

function sectionOf(id: string): string {
  return id.slice(0, id.lastIndexOf('/'))
}

/** `1–3, 5`; a dash for none. */
function numbersOf(ids: readonly string[], passing: ReadonlySet<string>): string {
  const runs: { from: number; to: number }[] = []
  for (const id of ids.filter((each) => passing.has(each))) {
    const number = Number(id.slice(id.lastIndexOf('/') + 1))
    const last = runs.at(-1)
    if (last?.to === number - 1) last.to = number
    else runs.push({ from: number, to: number })
  }
  return runs.map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`)).join(', ') || '–'
}
