// Who speaks when: a steady rate over all rooms in turn, the speaker drawn from the seed.
import type { Member, MemberNode, Members } from './members.ts'
import { mulberry32 } from './schedule.ts'

const tickMs = 10

export type Traffic = {
  /** Everybody says something long, at once. */
  shout(bytes: number): void
  stop(): void
}

export function startTraffic<N extends MemberNode>(members: Members<N>, rate: number, seed: number): Traffic {
  const random = mulberry32(seed)
  const rooms = new Map<number, Member<N>[]>()
  for (const member of members.all) rooms.set(member.room, [...(rooms.get(member.room) ?? []), member])
  const turns = [...rooms.values()]
  const startedAt = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    // After a stall of this process it goes on at its rate and does not make up for it: that would be a burst.
    const due = Math.min((rate * (performance.now() - startedAt)) / 1000, sent + rate / 10)
    while (sent < due) {
      const speakers = turns[sent % turns.length] as Member<N>[]
      speakers[Math.floor(random() * speakers.length)]?.send()
      sent += 1
    }
  }, tickMs)
  return {
    shout(bytes) {
      for (const member of members.all) member.send(bytes)
    },
    stop: () => clearInterval(timer),
  }
}
