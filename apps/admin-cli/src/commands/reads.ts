// servers, stats, users and nodes: each asks one question and shows the reply as a table.
import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import { UsageError } from '../ports.ts'
import { renderAge, renderBytes, renderTable } from '../table.ts'

type ReadOptions = { json?: boolean }

const jsonOption = ['--json', 'print the reply as JSON (docs/admin-json.md)'] as const

export function addReads(program: Command, cli: Cli): void {
  const { ports } = cli
  program
    .command('servers')
    .description('list the rooms in use on all nodes')
    .option(...jsonOption)
    .action(async ({ json }: ReadOptions) => {
      const reply = await cli.api().ask('servers')
      cli.print(reply, json, () =>
        reply.servers.length === 0
          ? 'No rooms in use.\n'
          : renderTable(
              ['ROOM', 'USERS', 'NODES', 'MESSAGES', 'SIZE', 'AGE', 'IDLE'],
              reply.servers.map((room) => [
                room.short,
                String(room.users),
                String(room.nodes),
                String(room.messages),
                renderBytes(room.bytes),
                renderAge(room.createdAt, ports.now()),
                renderAge(room.lastActiveAt, ports.now()),
              ]),
            ),
      )
    })

  program
    .command('stats')
    .description('show totals of all nodes')
    .option(...jsonOption)
    .action(async ({ json }: ReadOptions) => {
      const reply = await cli.api().ask('stats')
      cli.print(reply, json, () =>
        renderTable(
          ['ROOMS', 'USERS', 'CONNECTIONS', 'IN', 'OUT', 'BYTES IN', 'BYTES OUT', 'STORE', 'DEFCON', 'NODES'],
          [
            [
              String(reply.servers),
              String(reply.users),
              String(reply.connections),
              String(reply.messagesIn),
              String(reply.messagesOut),
              renderBytes(reply.bytesIn),
              renderBytes(reply.bytesOut),
              reply.store,
              String(reply.defcon ?? '-'),
              `${reply.nodes.answered}/${reply.nodes.asked}`,
            ],
          ],
        ),
      )
    })

  program
    .command('users')
    .description('list the sessions in a room; names are sealed and unknown to the relay')
    .argument('<room>', 'hash of the room (32 hex digits) or its short form, like abcd-efgh')
    .option(...jsonOption)
    .action(async (room: string, { json }: ReadOptions) => {
      if (!/^([0-9a-f]{32}|[a-z2-7]{4}-[a-z2-7]{4})$/.test(room)) {
        throw new UsageError(
          'ROOM is 32 hex digits or a short form like abcd-efgh, as "pychat-admin servers" shows it.',
        )
      }
      const reply = await cli.api().ask('users', { room })
      cli.print(reply, json, () =>
        renderTable(
          ['SESSION', 'NODE', 'MESSAGES', 'SINCE'],
          reply.users.map((user) => [
            user.session,
            user.node,
            String(user.messages),
            renderAge(user.joinedAt, ports.now()),
          ]),
        ),
      )
    })

  program
    .command('nodes')
    .description('list the nodes of the cluster')
    .option(...jsonOption)
    .action(async ({ json }: ReadOptions) => {
      const reply = await cli.api().ask('nodes')
      cli.print(reply, json, () =>
        renderTable(
          [
            'NODE',
            'STATE',
            'LISTEN',
            'CONNECTIONS',
            'ROOMS',
            'MEMBERS',
            'DEFCON',
            'ENGINE',
            'VERSION',
            'AGE',
          ],
          reply.list.map((node) => [
            node.node,
            node.state,
            node.listen,
            String(node.connections),
            String(node.rooms),
            String(node.members),
            String(node.defcon ?? '-'),
            node.transport,
            node.version,
            renderAge(node.startedAt, ports.now()),
          ]),
        ),
      )
    })
}
