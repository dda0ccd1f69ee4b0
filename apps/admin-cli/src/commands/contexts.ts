// contexts: names for clusters, so that nobody types addresses and token files again and again.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { checkContextName, contextOf, contextsPath, readContexts, writeContexts } from '../contexts.ts'
import { renderTable } from '../table.ts'
import { parseAdminUrl } from '../target.ts'

type AddOptions = { url: string; tokenFile?: string }

const help = `
Examples:
  pychat-admin contexts add prod --url https://ops.example.org --token-file ~/.secrets/pychat-prod
  pychat-admin contexts use prod
  pychat-admin --context prod nodes

The file holds addresses and paths of token files, no tokens. --context goes before PYCHAT_ADMIN_URL, and that before
the context in use; whichever names the relay also names the token.`

export function addContexts(program: Command, cli: Cli): void {
  const { ports } = cli
  const contexts = program
    .command('contexts')
    .description('list the named clusters; add, use and remove change the list')
    .option('--json', 'print the list as JSON (docs/admin-json.md)')
    .addHelpText('after', help)
    .action(({ json }: { json?: boolean }) => {
      const { current, contexts: all } = readContexts(ports)
      const rows = Object.entries(all).map(([name, context]) => ({ name, ...context }))
      if (json) ports.out(`${JSON.stringify({ schema: 1, current, contexts: rows })}\n`)
      else if (rows.length === 0)
        ports.out('No contexts; "pychat-admin contexts add NAME --url URL" adds one.\n')
      else {
        ports.out(
          renderTable(
            ['IN USE', 'NAME', 'ADDRESS', 'TOKEN FILE'],
            rows.map(({ name, url, tokenFile }) => [
              name === current ? '*' : '',
              name,
              url,
              tokenFile ?? '-',
            ]),
          ),
        )
      }
    })

  contexts
    .command('add')
    .description('add a cluster, or give one of that name another address')
    .argument('<name>', 'what to call it')
    .requiredOption('--url <url>', 'ops address of any of its nodes, or of what stands before them')
    .option('--token-file <path>', 'file that holds its admin token')
    .action((name: string, { url, tokenFile }: AddOptions) => {
      const known = readContexts(ports)
      known.contexts[checkContextName(name)] = {
        url: parseAdminUrl(url, '--url').href,
        tokenFile: tokenFile === undefined ? null : resolve(tokenFile),
      }
      known.current ??= name
      writeContexts(ports, known)
      ports.out(`Added ${name}${known.current === name ? ', which is in use now' : ''}.\n`)
      ports.err(`Written to ${contextsPath(ports)}.\n`)
    })

  contexts
    .command('use')
    .description('ask this cluster from now on')
    .argument('<name>', 'as "pychat-admin contexts" lists it')
    .action((name: string) => {
      const known = readContexts(ports)
      contextOf(known, name)
      writeContexts(ports, { ...known, current: name })
      ports.out(`Using ${name}.\n`)
      if (ports.env['PYCHAT_ADMIN_URL']) ports.err('PYCHAT_ADMIN_URL is set and goes before it.\n')
    })

  contexts
    .command('remove')
    .description('forget a cluster')
    .argument('<name>', 'as "pychat-admin contexts" lists it')
    .action((name: string) => {
      const known = readContexts(ports)
      contextOf(known, name)
      const { [name]: _, ...rest } = known.contexts
      writeContexts(ports, {
        ...known,
        contexts: rest,
        current: known.current === name ? null : known.current,
      })
      ports.out(`Removed ${name}.\n`)
    })
}
