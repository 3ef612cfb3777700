/**
 * The projects that a run names, in the order of `all`; every one when it names none.
 *
 * @throws {Error} for a name that no project has.
 */
export function chooseProjects(all: readonly string[], names: readonly string[]): readonly string[] {
  if (names.length === 0) return all
  const isMeant = (project: string, name: string): boolean => project === name || project.endsWith(`/${name}`)
  const unknown = names.filter((name) => !all.some((project) => isMeant(project, name)))
  if (unknown.length > 0)
    throw new Error(`no project is called ${unknown.join(' or ')}: there are ${all.join(', ')}`)
  return all.filter((project) => names.some((name) => isMeant(project, name)))
}
