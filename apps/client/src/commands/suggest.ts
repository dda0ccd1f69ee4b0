// "Did you mean": the nearest command to a word that is none.
import { editDistance } from '../edit-distance.ts'
import { commandTable } from './table.ts'

export function unknownSentence(word: string): string {
  const typed = word.replace(/^\//, '').toLowerCase().slice(0, 32)
  const near = commandTable
    .flatMap((command) =>
      [command.name, ...('aliases' in command ? command.aliases : [])].map((name) => ({ name, command })),
    )
    .map(({ name, command }) => ({ name: command.name, distance: editDistance(typed, name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const hint =
    near && near.distance <= 2
      ? `did you mean /${near.name}?`
      : '/help shows all, and // begins a message with a slash.'
  return `There is no command /${word.replace(/^\//, '').slice(0, 32)}: ${hint}`
}
