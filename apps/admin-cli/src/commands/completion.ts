// completion: prints the script that makes a shell complete this program's commands and options.
import { Argument, type Command } from 'commander'
import type { Cli } from '../cli.ts'
import { completionScript, type Shell, shells } from '../completion.ts'

const help = `
For every new shell:
  bash   pychat-admin completion bash > ~/.local/share/bash-completion/completions/pychat-admin
  zsh    pychat-admin completion zsh > "\${fpath[1]}/_pychat-admin"
  fish   pychat-admin completion fish > ~/.config/fish/completions/pychat-admin.fish`

export function addCompletion(program: Command, cli: Cli): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices([...shells]))
    .addHelpText('after', help)
    .action((shell: Shell) => cli.ports.out(completionScript(program, shell)))
}
