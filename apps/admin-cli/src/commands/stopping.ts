// shutdown and drain: the commands that end nodes. How a drain is watched is in ../drain.ts.
import { nodeIdSchema } from '@pychat/protocol'
import type { Command } from 'commander'
import type { ActingOptions, Cli } from '../cli.ts'
import { type DrainOptions, drain, drainHelp } from '../drain.ts'
import { UsageError } from '../ports.ts'
import { clean } from '../table.ts'

type ShutdownOptions = ActingOptions & { node?: string; json?: boolean }

export function addStopping(program: Command, cli: Cli): void {
  program
    .command('shutdown')
    .description('stop all nodes, or one: clients are told to reconnect, then the nodes exit')
    .option('--node <id>', 'only this node, 16 hex digits as "pychat-admin nodes" shows them')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'say what would be stopped, ask nothing and stop nothing')
    .option('--json', 'print the reply as JSON (docs/admin-json.md)')
    .action((options: ShutdownOptions) => shutdown(cli, options))

  program
    .command('drain')
    .description(
      'empty one node and end it: its clients move to the others, and it is watched until it is gone',
    )
    .argument('<node>', 'its 16 hex digits, or the first 4 or more, as "pychat-admin nodes" shows them')
    .option('--within <time>', 'by when it has to be gone, 1s to 10m', '30s')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'say what would be drained, ask nothing and drain nothing')
    .option('--json', 'print progress and outcome as lines of JSON')
    .addHelpText('after', drainHelp)
    .action(async (node: string, options: DrainOptions) => {
      cli.end(await drain(cli.api(), cli, node, options))
    })
}

async function shutdown(cli: Cli, options: ShutdownOptions): Promise<void> {
  const given = options.node === undefined ? undefined : nodeIdSchema.safeParse(options.node)
  if (given?.success === false) {
    throw new UsageError('--node wants 16 hex digits, as "pychat-admin nodes" shows them.')
  }
  cli.mayAct('shutdown', options)
  const api = cli.api()
  if (options.dryRun) {
    const { list, nodes } = await api.ask('nodes')
    const ids = list.map(({ node }) => node).filter((node) => given === undefined || node === given.data)
    if (given !== undefined && ids.length === 0 && nodes.answered === nodes.asked) {
      throw new UsageError(`There is no node ${given.data}; "pychat-admin nodes" lists them.`)
    }
    const asked = given === undefined ? nodes : { asked: 1, answered: ids.length }
    const wouldStop = { schema: 1, dryRun: 'shutdown', stopping: ids, nodes: asked }
    cli.print(wouldStop, options.json, () => ids.map((id) => `Would stop ${clean(id)}.\n`).join(''))
    return
  }
  const what = given === undefined ? 'the WHOLE cluster' : `node ${given.data}`
  const deed = { would: `stop ${what}.`, question: `Stop ${what}?`, nothing: 'Nothing was stopped.' }
  if (!(await cli.agree('shutdown', deed, options))) return
  const reply = await api.ask('shutdown', given === undefined ? {} : { body: { node: given.data } })
  cli.print(
    reply,
    options.json,
    () => reply.stopping.map((id) => `Stopping ${clean(id)}.\n`).join('') || 'No node said it is stopping.\n',
  )
}
