// A roster on its way: pages asked for one after the other, and who came or left meanwhile. What is done with the whole
// list is the client's part (docs/protocol.md, sections 4.1 "members" and 8).
import type { Member, SessionId } from '@pychat/protocol'
import { answerTimeoutMs } from './retry.ts'

const pagesMax = 1024

export type RosterLoading = {
  readonly active: boolean
  /** @param first the page that came with `joined` */
  begin(first: RosterPage): void
  /** @returns whether this id is of the page that was asked for last */
  isAsked(id: number | undefined): boolean
  page(page: RosterPage): void
  arrived(member: Member): void
  departed(session: SessionId): void
  cancel(): void
}

export type RosterPage = { members: readonly Member[]; next?: string | undefined }

export function createRosterLoading(ports: {
  /** Sends a `members`. @returns its id */
  ask(after: string): number
  loaded(members: ReadonlyMap<SessionId, Member>): void
  late(): void
  setTimer(ms: number, fn: () => void): () => void
}): RosterLoading {
  type Current = {
    request: number | null
    members: Map<SessionId, Member>
    departed: Set<SessionId>
    pages: number
    cancelTimer: () => void
  }
  let current: Current | null = null

  const cancel = () => {
    current?.cancelTimer()
    current = null
  }
  const page = ({ members, next }: RosterPage) => {
    if (!current) return
    current.pages += 1
    for (const member of members) {
      if (current.departed.has(member.session) || current.members.has(member.session)) continue
      current.members.set(member.session, member)
    }
    if (next !== undefined && current.pages < pagesMax) {
      current.request = ports.ask(next)
      return
    }
    const { members: all } = current
    cancel()
    ports.loaded(all)
  }
  return {
    get active() {
      return current !== null
    },
    begin(first) {
      cancel()
      current = {
        request: null,
        members: new Map(),
        departed: new Set(),
        pages: 0,
        cancelTimer: ports.setTimer(answerTimeoutMs, () => {
          cancel()
          ports.late()
        }),
      }
      page(first)
    },
    isAsked: (id) => id !== undefined && id === current?.request,
    page,
    arrived: (member) => void current?.members.set(member.session, member),
    departed(session) {
      current?.members.delete(session)
      current?.departed.add(session)
    },
    cancel,
  }
}
