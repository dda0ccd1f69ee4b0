// What every command is given: the admin API it asks, how its reply is printed, how it asks before it acts, and the exit
// code. commands/ holds one file for each command or small family of them.
import type { NodesAsked } from '@pychat/protocol'
import { type Api, createApi } from './api.ts'
import { exitCodes, type Ports, UsageError } from './ports.ts'
import { findTarget } from './target.ts'

/** Options of a command that changes something. */
export type ActingOptions = { yes?: boolean; dryRun?: boolean }

/** Something about to be done, for a person to agree to. */
export type Deed = {
  /** After "Would ", with its full stop: "stop node 1a2b." */
  would: string
  /** The question, without its `Type "yes"`. */
  question: string
  /** Said when the answer was no. */
  nothing: string
}

export type Cli = {
  readonly ports: Ports
  /** The relay that is asked. @throws UsageError when its address or token cannot be made out */
  api(): Api
  /** Prints a reply as JSON or by `show`, and says when nodes are missing, which is exit code 6. */
  print(reply: { nodes: NodesAsked }, json: boolean | undefined, show: () => string): void
  /** Sets the exit code of the run. */
  end(code: number): void
  /**
   * Whether the deed is to be done: not in a dry run, which says what it would do and asks nothing; at once with --yes; else as
   * the person answers. @throws UsageError when there is nobody to ask
   */
  agree(command: string, deed: Deed, options: ActingOptions): Promise<boolean>
  /** Throws as `agree` would, before anything is asked of a relay. */
  mayAct(command: string, options: ActingOptions): void
}

export type RunningCli = Cli & { code(): number }

/** @param context what --context says, once the command line is read */
export function createCli(ports: Ports, context: () => string | undefined = () => undefined): RunningCli {
  let code: number = exitCodes.ok
  const cli: RunningCli = {
    ports,
    code: () => code,
    end(given) {
      code = given
    },
    api() {
      const { url, token } = findTarget(ports, context())
      return createApi(url.href, token)
    },
    print(reply, json, show) {
      ports.out(json ? `${JSON.stringify(reply)}\n` : show())
      const { asked, answered } = reply.nodes
      if (answered < asked) {
        ports.err(`Partial: ${answered} of ${asked} nodes answered.\n`)
        code = exitCodes.partial
      }
    },
    mayAct(command, { yes, dryRun }) {
      if (yes || dryRun || ports.confirm !== null) return
      throw new UsageError(`${command} asks first, and here is no terminal: add --yes.`)
    },
    async agree(command, deed, options) {
      if (options.dryRun) {
        ports.err(`Would ${deed.would} Nothing was done.\n`)
        return false
      }
      cli.mayAct(command, options)
      if (options.yes || ports.confirm === null) return true
      if (await ports.confirm(`${deed.question} Type "yes": `)) return true
      ports.err(`${deed.nothing}\n`)
      return false
    },
  }
  return cli
}
