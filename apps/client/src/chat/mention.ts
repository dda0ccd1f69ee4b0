// Whether a text calls somebody by name: the name as a word of its own, in any case.

const wordCharacter = /[\p{L}\p{N}\p{M}_]/u
/** Nobody looks further. */
const charactersMax = 4096

const fold = (text: string) => text.normalize('NFKC').toLowerCase()

export function mentions(text: string, name: string): boolean {
  const folded = fold(text.slice(0, charactersMax))
  const wanted = fold(name)
  if (wanted === '') return false
  for (let at = folded.indexOf(wanted); at >= 0; at = folded.indexOf(wanted, at + 1)) {
    const before = [...folded.slice(Math.max(0, at - 2), at)].at(-1) ?? ''
    const after = String.fromCodePoint(folded.codePointAt(at + wanted.length) ?? 0x20)
    if (!wordCharacter.test(before) && !wordCharacter.test(after)) return true
  }
  return false
}
