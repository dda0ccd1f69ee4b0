// A room of members who all belong to one virtual user, which therefore knows what each of them has to have got.
import { encodeHex } from '@pychat/protocol'
import { noise } from './frames.ts'
import { Member } from './member.ts'
import { tally } from './metrics.ts'

export class Room {
  readonly members: Member[] = []
  #turn = 0

  /** @param first number of its first member in the whole run, which spreads members over the URLs */
  constructor(first: number, plan: { members: number; bytes: number; urls: readonly string[] }) {
    const view = { id: encodeHex(noise(16)), members: plan.members, bytes: plan.bytes, urls: plan.urls }
    for (let i = 0; i < plan.members; i += 1) this.members.push(new Member(view, i, first + i))
  }

  /** Everybody came in, so that from now on everybody has to get everything. */
  get isComplete(): boolean {
    return this.members.every(({ hasJoined }) => hasJoined)
  }

  /** The next member in turn says something. */
  say(due: number): void {
    this.#turn = (this.#turn + 1) % this.members.length
    if ((this.members[this.#turn] as Member).say(due)) tally.sent += 1
    else tally.heldBack += 1
  }

  get said(): number {
    return this.members.reduce((sum, member) => sum + member.said, 0)
  }

  /** Messages that members have not got, so far or for good. */
  get missing(): number {
    let missing = 0
    for (const { given, missing: passed } of this.members) {
      missing += passed
      for (const [sender, counter] of given.entries())
        missing += (this.members[sender] as Member).said - counter
    }
    return missing
  }
}
