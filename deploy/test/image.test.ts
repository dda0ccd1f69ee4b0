// The Dockerfile without Docker: what it copies is let through and is there, and what it compiles leads to nothing else.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const linesOf = (file: string) => readFileSync(join(root, file), 'utf8').split('\n')
const dockerfile = linesOf('Dockerfile')

/** What is copied from the repository, stages aside. */
const copied = dockerfile.flatMap((line) => {
  const words = /^COPY (?!--from)(.+)$/.exec(line)?.[1]?.split(' ') ?? []
  return words.slice(0, -1)
})

/** A project and those that it references, as folders. */
function projectsOf(folder: string, found = new Set<string>()): Set<string> {
  if (found.has(folder)) return found
  found.add(folder)
  const { references = [] } = JSON.parse(readFileSync(join(root, folder, 'tsconfig.json'), 'utf8'))
  for (const { path } of references) projectsOf(relative(root, join(root, folder, path)), found)
  return found
}

describe('the image', () => {
  it('is made of what is there and what .dockerignore lets through', () => {
    const letThrough = linesOf('.dockerignore').flatMap((line) =>
      line.startsWith('!') ? [line.slice(1)] : [],
    )
    expect(copied.length).toBeGreaterThan(5)
    for (const path of copied) {
      expect(existsSync(join(root, path)), path).toBe(true)
      expect(
        letThrough.some((each) => path === each || path.startsWith(`${each}/`)),
        path,
      ).toBe(true)
    }
  })

  it('compiles projects that it has, and those alone that they need', () => {
    const named = dockerfile.flatMap((line) => /^RUN npx tsc -b ?(.*)$/.exec(line)?.[1]?.split(' ') ?? [])
    expect(named).not.toEqual([])
    for (const name of named) {
      for (const project of projectsOf(name)) {
        expect(
          copied.some((each) => project === each || dirname(project) === each),
          `${name || 'tsconfig.json'} leads to ${project}`,
        ).toBe(true)
      }
    }
  })
})
