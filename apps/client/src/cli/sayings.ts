// Sentences that may come before there is a screen to say them on: they wait for it.
export type Sayings = {
  say(sentence: string): void
  /** From now on they are said at once; those that waited first. */
  follow(listener: (sentence: string) => void): void
}

export function createSayings(): Sayings {
  const waiting: string[] = []
  let listener: ((sentence: string) => void) | null = null
  return {
    say(sentence) {
      if (listener) listener(sentence)
      else waiting.push(sentence)
    },
    follow(next) {
      listener = next
      for (const sentence of waiting.splice(0)) next(sentence)
    },
  }
}
