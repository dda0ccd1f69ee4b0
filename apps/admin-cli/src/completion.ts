// Completion scripts for bash, zsh and fish, made from the program's own commands: a command that is added is completed.
// Each script walks the typed words down the tree and offers what can come there; none of them starts a program.
import type { Command, Option } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

type Offer = { word: string; help: string }
/** A place in the tree: '' for the program, 'contexts add' for a command of a command. */
type Place = { path: string; commands: Offer[]; options: Offer[]; choices: Offer[] }
/** An option that takes the next word. */
type Valued = { flag: string; isPath: boolean }

/** @returns the text of a script to be sourced */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, '', globals(program))
  const valued = new Map<string, Valued>()
  collectValued(program, valued)
  const name = program.name()
  return { bash, zsh, fish }[shell](name, `_${name.replaceAll('-', '_')}`, places, [...valued.values()])
}

const shown = (option: Option): boolean => !option.hidden && option.long !== undefined

function globals(program: Command): Offer[] {
  const own = program.options
    .filter(shown)
    .map((option) => ({ word: option.long ?? '', help: option.description }))
  return [...own, { word: '--help', help: 'show help' }]
}

function placesOf(command: Command, path: string, everywhere: readonly Offer[]): Place[] {
  const own = path === '' ? [] : command.options.filter(shown)
  const place: Place = {
    path,
    commands: command.commands.map((each) => ({ word: each.name(), help: each.description() })),
    options: [
      ...own.map((option) => ({ word: option.long ?? '', help: option.description })),
      ...everywhere.filter(({ word }) => path === '' || word !== '--version'),
    ],
    choices: command.registeredArguments.flatMap((argument) =>
      (argument.argChoices ?? []).map((word) => ({ word, help: argument.description })),
    ),
  }
  const below = command.commands.flatMap((each) =>
    placesOf(each, `${path} ${each.name()}`.trim(), everywhere),
  )
  return [place, ...below]
}

function collectValued(command: Command, into: Map<string, Valued>): void {
  for (const { long, required, flags } of command.options) {
    if (long !== undefined && required) into.set(long, { flag: long, isPath: /<(path|file)>/.test(flags) })
  }
  for (const each of command.commands) collectValued(each, into)
}

const single = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const words = (offers: readonly Offer[]): string => offers.map(({ word }) => word).join(' ')

/** "path:word) path=..." for each step down the tree. */
function steps(places: readonly Place[], variable: string, indent: string): string {
  return places
    .filter(({ path }) => path !== '')
    .map(({ path }) => {
      const cut = path.lastIndexOf(' ')
      const [above, word] = cut < 0 ? ['', path] : [path.slice(0, cut), path.slice(cut + 1)]
      return `${indent}${single(`${above}:${word}`)}) ${variable}=${single(path)} ;;\n`
    })
    .join('')
}

/** One name a line, so that names with spaces stay whole; in words that bash 3.2 has too. */
const bashFiles = `local IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$current")); `

function bash(name: string, fn: string, places: readonly Place[], valued: readonly Valued[]): string {
  const cases = places.map(
    ({ path, commands, options, choices }) =>
      `    ${single(path)}) offers=${single(words([...commands, ...choices, ...options]))} ;;\n`,
  )
  return `# bash completion for ${name}; made by: ${name} completion bash
${fn}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} place='' offers='' word i
  COMPREPLY=()
  case $before in
${valued.map(({ flag, isPath }) => `    ${flag}) ${isPath ? bashFiles : ''}return ;;\n`).join('')}  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in ${valued.map(({ flag }) => flag).join('|')}) ((i++)); continue ;; esac
    case "$place:$word" in
${steps(places, 'place', '      ')}    esac
  done
  case $place in
${cases.join('')}  esac
  COMPREPLY=($(compgen -W "$offers" -- "$current"))
}
complete -F ${fn} ${name}
`
}

function zsh(name: string, fn: string, places: readonly Place[], valued: readonly Valued[]): string {
  const entry = ({ word, help }: Offer): string => single(`${word}:${help.replaceAll(':', '\\:')}`)
  const cases = places.map(
    ({ path, commands, options, choices }) =>
      `    ${single(path)})
      offers=(${[...commands, ...choices].map(entry).join(' ')})
      flags=(${options.map(entry).join(' ')}) ;;\n`,
  )
  return `#compdef ${name}
# zsh completion for ${name}; made by: ${name} completion zsh
${fn}() {
  local place='' word
  local -a offers flags
  integer i
  case $words[CURRENT-1] in
${valued.map(({ flag, isPath }) => `    ${flag}) ${isPath ? '_files; ' : ''}return ;;\n`).join('')}  esac
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    case $word in ${valued.map(({ flag }) => flag).join('|')}) ((i++)); continue ;; esac
    case "$place:$word" in
${steps(places, 'place', '      ')}    esac
  done
  case $place in
${cases.join('')}  esac
  (( $#offers )) && _describe -t commands command offers
  (( $#flags )) && _describe -o -t options option flags
}
if [[ $funcstack[1] == ${fn} ]]; then ${fn} "$@"; else compdef ${fn} ${name}; fi
`
}

function fish(name: string, fn: string, places: readonly Place[], valued: readonly Valued[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const isPath = new Set(valued.filter((each) => each.isPath).map(({ flag }) => flag))
  const isValued = new Set(valued.map(({ flag }) => flag))
  const down = places
    .filter(({ path }) => path !== '')
    .map(({ path }) => {
      const cut = path.lastIndexOf(' ')
      const [above, word] = cut < 0 ? ['', path] : [path.slice(0, cut), path.slice(cut + 1)]
      return `            case ${quoted(`${above}:${word}`)}\n                set place ${quoted(path)}\n`
    })
  const lines = places.flatMap(({ path, commands, options, choices }) => {
    const here = `complete -c ${name} -n ${quoted(`_${fn}_at ${quoted(path)}`)}`
    return [
      ...[...commands, ...choices].map(({ word, help }) => `${here} -a ${quoted(word)} -d ${quoted(help)}\n`),
      ...options.map(({ word, help }) => {
        const more = isPath.has(word) ? ' -r -F' : isValued.has(word) ? ' -x' : ''
        return `${here} -l ${quoted(word.slice(2))}${more} -d ${quoted(help)}\n`
      }),
    ]
  })
  return `# fish completion for ${name}; made by: ${name} completion fish
function _${fn}_at
    set -l place ''
    set -l skip 0
    set -l typed (commandline -opc)
    for word in $typed[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case ${valued.map(({ flag }) => flag).join(' ')}
                set skip 1
                continue
        end
        switch "$place:$word"
${down.join('')}        end
    end
    test "$place" = "$argv[1]"
end
complete -c ${name} -f
${lines.join('')}`
}
