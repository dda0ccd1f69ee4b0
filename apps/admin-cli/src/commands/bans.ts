// ban, unban, bans, kick and announce: who is kept out or put out, and a word to people. Each that acts asks the relay
// first what it would meet, says so, and then does it.
import { type AdminBan, type BanKind, banForMsOf, banKinds } from '@pychat/protocol'
import type { Command } from 'commander'
import type { ActingOptions, Cli } from '../cli.ts'
import { UsageError } from '../ports.ts'
import { clean, renderAge, renderTable } from '../table.ts'

type Acting = ActingOptions & { json?: boolean }
type BanOptions = Acting & { for?: string; reason?: string }
type AnnounceOptions = Acting & { room?: string }

const jsonOption = ['--json', 'print the reply as JSON (docs/admin-json.md)'] as const
const kindArgument = ['<kind>', `what it is: ${banKinds.join(', ')}`] as const
const valueArgument = [
  '<value>',
  'room id or short form; address or CIDR (IPv6 without /bits: its /64); public key or member id',
] as const

const examples = `
Examples:
  pychat-admin ban address 203.0.113.7 --for 1h --reason spam   closes its connections, refuses new ones
  pychat-admin ban address 2001:db8:1::/48 --dry-run            how many connections would it close?
  pychat-admin ban room abcd-efgh --yes                         everybody in it is put out, nobody comes in
  pychat-admin ban key 470417f111ea41a1175ac958aed6a384 --yes   a member key, by the id that "pychat --json" shows

A ban holds on every node, for who resumes too, and outlives restarts. Exit code 6: not all nodes enforce it yet; those
that run take it up within seconds.`

/** Adds what an operator does to people. */
export function addBans(program: Command, cli: Cli): void {
  program
    .command('bans')
    .description('list the bans in force')
    .option(...jsonOption)
    .action((options: Acting) => bans(cli, options))
  acting(
    program.command('ban').description('keep a room, an address or a member key out, on every node'),
    'ban',
  )
    .argument(...kindArgument)
    .argument(...valueArgument)
    .option('--for <time>', 'how long: 30s, 10m, 1h, 7d or 2w; without it until it is lifted')
    .option('--reason <text>', 'why, for your own list; nobody else sees it')
    .addHelpText('after', examples)
    .action((kind: string, value: string, options: BanOptions) => ban(cli, kind, value, options))
  acting(program.command('unban').description('lift a ban'), 'lift')
    .argument(...kindArgument)
    .argument(...valueArgument)
    .action((kind: string, value: string, options: Acting) => unban(cli, kind, value, options))
  acting(program.command('kick').description('put people out of a room; they may come back'), 'put out')
    .argument('<room>', 'room id or short form, as "pychat-admin servers" shows it')
    .argument(
      '[session]',
      'only this one: the first 8 hex digits or more, as "pychat-admin users" shows them',
    )
    .action((room: string, session: string | undefined, options: Acting) => kick(cli, room, session, options))
  acting(
    program.command('announce').description('say something to people, as the one who runs the relay'),
    'tell',
  )
    .argument('<text>', 'one line of at most 500 characters; neither sealed nor signed')
    .option('--room <room>', 'only to those in this room')
    .action((text: string, options: AnnounceOptions) => announce(cli, text, options))
}

function acting(command: Command, deed: string): Command {
  return command
    .option('--yes', 'do not ask')
    .option('--dry-run', `say whom it would ${deed}, and do nothing`)
    .option(...jsonOption)
}

async function bans(cli: Cli, { json }: Acting): Promise<void> {
  const reply = await cli.api().ask('bans')
  const now = cli.ports.now()
  cli.print(reply, json, () =>
    reply.bans.length === 0
      ? 'Nobody is banned.\n'
      : renderTable(
          ['KIND', 'VALUE', 'LEFT', 'AGE', 'REASON'],
          reply.bans.map((each) => [
            each.kind,
            each.value,
            each.until === null ? 'always' : left(each.until, now),
            renderAge(each.createdAt, now),
            each.reason,
          ]),
        ),
  )
}

async function ban(cli: Cli, given: string, value: string, options: BanOptions): Promise<void> {
  const kind = kindOf(given)
  const forMs = options.for === undefined ? undefined : banForMsOf(options.for)
  if (forMs === null) throw new UsageError('--for wants a time from 1s to 10 years, like 30s, 10m, 1h or 7d.')
  cli.mayAct('ban', options)
  const wish = { kind, value, reason: options.reason ?? '', ...(forMs === undefined ? {} : { forMs }) }
  const api = cli.api()
  const would = async () => api.ask('ban', { body: { ...wish, dryRun: true } })
  const lasting = (each: AdminBan) => `${what(each)}${options.for === undefined ? '' : ` for ${options.for}`}`
  if (options.dryRun) {
    const dry = await would()
    cli.print(dry, options.json, () => `Would ban ${lasting(dry.ban)}: ${met(kind, dry.met)}.\n`)
    return
  }
  if (!options.yes) {
    const dry = await would()
    const question = `Ban ${lasting(dry.ban)}: ${met(kind, dry.met)}?`
    if (!(await cli.agree('ban', { would: '', question, nothing: 'Nobody was banned.' }, options))) return
  }
  const reply = await api.ask('ban', { body: { ...wish, dryRun: false } })
  cli.print(reply, options.json, () => {
    const again = reply.replaced ? ' It takes the place of an earlier one.' : ''
    return `Banned ${lasting(reply.ban)}: ${met(kind, reply.met)}.${again}\n`
  })
}

async function unban(cli: Cli, given: string, value: string, options: Acting): Promise<void> {
  const kind = kindOf(given)
  cli.mayAct('unban', options)
  const api = cli.api()
  if (options.dryRun) {
    const dry = await api.ask('unban', { body: { kind, value, dryRun: true } })
    cli.print(dry, options.json, () => `Would lift the ban of ${what(dry.ban)}.\n`)
    return
  }
  const question = `Lift the ban of ${kind} ${clean(value)}?`
  if (!(await cli.agree('unban', { would: '', question, nothing: 'No ban was lifted.' }, options))) return
  const reply = await api.ask('unban', { body: { kind, value, dryRun: false } })
  cli.print(reply, options.json, () => `Lifted the ban of ${what(reply.ban)}.\n`)
}

async function kick(cli: Cli, room: string, session: string | undefined, options: Acting): Promise<void> {
  if (session !== undefined && !/^[0-9a-f]{8,32}$/.test(session)) {
    throw new UsageError('SESSION is the first 8 hex digits or more, as "pychat-admin users" shows them.')
  }
  cli.mayAct('kick', options)
  const wish = { room, ...(session === undefined ? {} : { session }) }
  const api = cli.api()
  if (!options.yes || options.dryRun) {
    const dry = await api.ask('kick', { body: { ...wish, dryRun: true } })
    if (options.dryRun) {
      cli.print(dry, options.json, () => `Would put out ${counted(dry.kicked, 'member')}.\n`)
      return
    }
    const question = `Put ${counted(dry.kicked, 'member')} out of ${clean(room)}?`
    if (!(await cli.agree('kick', { would: '', question, nothing: 'Nobody was put out.' }, options))) return
  }
  const reply = await api.ask('kick', { body: { ...wish, dryRun: false } })
  cli.print(reply, options.json, () => `Put out ${counted(reply.kicked, 'member')}.\n`)
}

async function announce(cli: Cli, text: string, { room, ...options }: AnnounceOptions): Promise<void> {
  cli.mayAct('announce', options)
  const wish = { text, ...(room === undefined ? {} : { room }) }
  const api = cli.api()
  if (!options.yes || options.dryRun) {
    const dry = await api.ask('announce', { body: { ...wish, dryRun: true } })
    if (options.dryRun) {
      cli.print(dry, options.json, () => `Would tell ${counted(dry.told, 'connection')}: ${line(dry.text)}\n`)
      return
    }
    const question = `Tell ${counted(dry.told, 'connection')}: "${line(dry.text)}"?`
    if (!(await cli.agree('announce', { would: '', question, nothing: 'Nothing was said.' }, options))) return
  }
  const reply = await api.ask('announce', { body: { ...wish, dryRun: false } })
  cli.print(reply, options.json, () => `Told ${counted(reply.told, 'connection')}.\n`)
}

function kindOf(text: string): BanKind {
  const kind = banKinds.find((each) => each === text)
  if (kind === undefined) throw new UsageError(`KIND is one of ${banKinds.join(', ')}.`)
  return kind
}

const what = (each: AdminBan): string => `${each.kind} ${clean(each.value)}`

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`

const met = (kind: BanKind, count: number): string =>
  `it meets ${counted(count, kind === 'address' ? 'connection' : 'member')}`

/** The relay has made one harmless line of it; letters of any script are the operator's own. */
const line = (text: string): string => text.replace(/\p{C}/gu, '?')

function left(until: string, now: number): string {
  return renderAge(new Date(now).toISOString(), Date.parse(until))
}
