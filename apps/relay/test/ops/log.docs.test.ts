// docs/operations.md lists every line that the relay logs, and every limit that refuses something.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { limitNames } from '../../src/session/figures.ts'

const page = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8')
const source = new URL('../../src/', import.meta.url)

test('every sentence of the log is on the page, with its level and its fields', () => {
  let found = 0
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const calls = readFileSync(new URL(file, source), 'utf8').matchAll(
      /\blog\.(debug|info|warn|error)\(\s*'([^']+)'(?:,\s*\{([^}]*)\})?/g,
    )
    for (const [, level, sentence, fields = ''] of calls) {
      const row = page.split('\n').find((line) => line.startsWith(`| ${sentence} | ${level} |`))
      expect(row, `${file}: ${sentence}`).toBeDefined()
      for (const [, name = ''] of fields.matchAll(/(\w+):/g)) expect(row?.split('|')[3]).toContain(name)
      found += 1
    }
  }
  expect(found).toBeGreaterThanOrEqual(11)
})

test('every limit has its row', () => {
  for (const name of limitNames)
    expect(page).toMatch(new RegExp(`^\\| .*\`${name}\`.* \\| .* \\| .* \\| .* \\|$`, 'm'))
})
