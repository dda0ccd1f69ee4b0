import { generateCode, pinStrength } from '@pychat/crypto'
import { expect, test } from 'vitest'
import { seededRandom } from './fixtures.ts'

test('a generated code counts as its 66 random bits', async () => {
  const strength = await pinStrength(generateCode(seededRandom('strength')))
  expect(strength.guessesLog10).toBeCloseTo(66 * Math.log10(2), 6)
  expect(strength.sentence).toBe('about 701 million years for one graphics card')
})

test('a code counts the same however it was typed', async () => {
  const words = 'abandon ability able about above absent'
  expect(await pinStrength(words.toUpperCase())).toEqual(await pinStrength(words.replaceAll(' ', '-')))
})

test('one word six times is not taken for a random code', async () => {
  expect((await pinStrength('zoo zoo zoo zoo zoo zoo')).guessesLog10).toBeLessThan(4)
})

test('no PIN of digits counts for more than all PINs of its length', async () => {
  for (const pin of ['7305', '482133', '90817263', '5']) {
    expect((await pinStrength(pin)).guessesLog10).toBeLessThanOrEqual(pin.length)
  }
})

test('says in words that short and common PINs fall at once', async () => {
  expect((await pinStrength('1234')).sentence).toBe('less than a second for one graphics card')
  expect((await pinStrength('password')).sentence).toBe('less than a second for one graphics card')
})

test('eight random letters and digits hold for hours to years, not for ever', async () => {
  const { guessesLog10, sentence } = await pinStrength('kq83zw7f')
  expect(guessesLog10).toBeGreaterThan(7)
  expect(guessesLog10).toBeLessThan(12.5)
  expect(sentence).toMatch(/^about \d+ (hours|days|months|years) for one graphics card$/)
})

test('refuses an empty PIN as canonicalPin does', async () => {
  await expect(pinStrength('')).rejects.toMatchObject({ code: 'pin-empty' })
})
