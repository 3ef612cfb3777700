/** How much a client wants each of a few things, 0 to 1, by name: a header such as `Accept-Encoding: gzip, br;q=0.5`. */
export function preferences(header: string | undefined): ReadonlyMap<string, number> {
  const wanted = new Map<string, number>()
  for (const part of (header ?? '').split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    const quality = parameters.find((text) => text.startsWith('q='))
    const value = quality === undefined ? 1 : Number(quality.slice(2))
    if (name !== '') wanted.set(name, value >= 0 && value <= 1 ? value : 0)
  }
  return wanted
}
