// How long a PIN withstands guessing, said in words. The measure is one graphics card working offline on what a
// relay sees: 1,667 guesses a second (RTX 4090, Argon2id 64 MiB, t=3; hashcat/hashcat#4284), half of them on average.
import { bitsPerWord, canonicalPin, wordsOfCode } from './codes.ts'

const guessesPerSecond = 1667

export type PinStrength = {
  /** log10 of how many guesses cover this PIN. */
  guessesLog10: number
  /** e.g. "about 10 minutes for one graphics card". */
  sentence: string
}

/**
 * Loads its dictionaries (a few MB) at the first call for a PIN that is no code.
 * @throws CryptoInputError as canonicalPin
 */
export async function pinStrength(pin: string): Promise<PinStrength> {
  const canonical = canonicalPin(pin)
  const code = wordsOfCode(canonical)
  // Words typed twice add nothing: a person made that, not the generator.
  const guessesLog10 = code
    ? new Set(code).size * bitsPerWord * Math.log10(2)
    : Math.min(await dictionaryLog10(canonical), blindLog10(canonical))
  const seconds = 10 ** guessesLog10 / 2 / guessesPerSecond
  return { guessesLog10, sentence: `${duration(seconds)} for one graphics card` }
}

async function dictionaryLog10(pin: string): Promise<number> {
  const [{ ZxcvbnFactory }, { adjacencyGraphs, dictionary }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ])
  return new ZxcvbnFactory({ graphs: adjacencyGraphs, dictionary }).check(pin).guessesLog10
}

/** Trying everything of this length, over the smallest usual alphabet that has all its characters. */
function blindLog10(pin: string): number {
  let alphabet = 0
  if (/[0-9]/.test(pin)) alphabet += 10
  if (/[a-z]/.test(pin)) alphabet += 26
  if (/[A-Z]/.test(pin)) alphabet += 26
  if (/[^0-9a-zA-Z]/.test(pin)) alphabet += 33
  return [...pin].length * Math.log10(alphabet)
}

const units: readonly (readonly [name: string, seconds: number])[] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]

function duration(seconds: number): string {
  const years = seconds / 31_557_600
  if (years >= 1e9) return 'over a billion years'
  if (years >= 1e6) return `about ${Math.round(years / 1e6)} million years`
  if (years >= 1000) return `about ${Math.round(years / 1000)} thousand years`
  for (const [name, length] of units) {
    const count = Math.round(seconds / length)
    if (seconds >= length) return `about ${count} ${name}${count === 1 ? '' : 's'}`
  }
  return 'less than a second'
}
