// Who is in the room and how many: the whole roster, kept by what the relay tells of comings and goings, or, in a quiet
// room, its first page and whoever speaks (docs/protocol.md, section 8). Names and keys are the roster's part.
import type { Member, RelayControlOf, RoomId, SessionId } from '@pychat/protocol'
import type { ClientPorts } from './ports.ts'
import type { Requests } from './requests.ts'
import type { RoomEvents, User, UserPage } from './room-events.ts'
import type { Roster } from './roster.ts'
import { createRosterLoading } from './roster-loading.ts'

const firstPage = '0'

export type Presence = {
  readonly count: number
  readonly quiet: boolean
  /** The roster is on its way. */
  readonly loading: boolean
  /** In the room, by the join's own answer; `ready` follows, at once or when every page came. */
  joined(message: RelayControlOf<'joined'>): void
  page(message: RelayControlOf<'members'>): void
  /** @returns whether a page of the roster was refused */
  refused(message: RelayControlOf<'refused'>): boolean
  arrived(member: Member): void
  departed(message: RelayControlOf<'departed'>): void
  counted(message: RelayControlOf<'count'>): void
  /** Somebody said something just now. */
  spoke(session: SessionId): void
  /** @param self this client, which stands first */
  users(self: User): User[]
  ask(after: string | null, self: User): Promise<UserPage>
  /** What was asked will not be answered. */
  cancel(): void
}

export function createPresence(
  room: RoomId,
  roster: Roster,
  requests: Requests,
  ports: Pick<ClientPorts, 'setTimer'> & {
    /** Sends a `members`. @returns its id */
    askPage(after: string): number
    isSelf(session: SessionId): boolean
    ready(): void
    count(event: RoomEvents['count']): void
    /** The relay did not give the roster: another connection has to try. */
    late(): void
  },
): Presence {
  let told = 0
  let quiet = false
  /** What is known is the whole roster, so that a difference is somebody who came or went. */
  let whole = false
  let loadingFor: 'join' | 'reload' = 'join'

  const loading = createRosterLoading({
    ask: ports.askPage,
    loaded,
    late: ports.late,
    setTimer: ports.setTimer,
  })
  const count = () => (quiet || loading.active ? told : roster.size + 1)

  function loaded(members: ReadonlyMap<SessionId, Member>) {
    const silent = !whole
    roster.keepOnly(new Set(members.keys()), silent)
    for (const member of members.values()) roster.add(member, silent)
    whole = !quiet
    if (loadingFor === 'join') ports.ready()
    else ports.count({ count: count(), quiet })
  }

  return {
    get count() {
      return count()
    },
    get quiet() {
      return quiet
    },
    get loading() {
      return loading.active
    },
    joined(message) {
      told = message.count
      quiet = message.quiet ?? false
      loadingFor = 'join'
      if (quiet) {
        whole = false
        loaded(new Map(message.members.map((member) => [member.session, member])))
      } else loading.begin(message)
    },
    page(message) {
      if (loading.isAsked(message.id)) loading.page(message)
    },
    refused: (message) => loading.isAsked(message.id),
    arrived(member) {
      if (loading.active) loading.arrived(member)
      else roster.add(member, !whole)
    },
    departed({ session, why }) {
      loading.departed(session)
      // Nobody is told who comes and goes in a quiet room; who is put out, is said wherever it is heard.
      roster.remove(session, why, !whole && (why === 'left' || why === 'lost'))
    },
    counted(message) {
      const was = quiet
      told = message.count
      quiet = message.quiet
      if (quiet) whole = false
      if (was && !quiet && !loading.active) {
        loadingFor = 'reload'
        loading.begin({ members: [], next: firstPage })
      } else ports.count({ count: count(), quiet })
    },
    spoke(session) {
      if (quiet) roster.letIn(session)
    },
    users: (self) => [self, ...roster.users()],
    async ask(after, self) {
      if (!quiet) return { users: [self, ...roster.users()], count: count(), next: null }
      const { members, next } = await requests.ask('members', { room, after: after ?? firstPage })
      const users = members.flatMap((member) => {
        const user = ports.isSelf(member.session) ? self : roster.look(member)
        return user ? [user] : []
      })
      return { users, count: told, next: next ?? null }
    },
    cancel: loading.cancel,
  }
}
