// What a home room tells, and what follows: rules that are taken, saved and given back to a relay that lost them,
// founding, calls, notices, moves and knocks. One place decides what each event is for; the parts do the rest.
import { frameKinds } from '@pychat/crypto'
import { decodeNotice, type Handover, type MemberId, type Notice, outranks } from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import type { CharterAtRelay, EndCode, Origin, RoomEvents } from '../room-events.ts'
import type { Channels } from './channels.ts'
import type { Emit } from './conversation.ts'
import type { Founding } from './founding.ts'
import type { Knocking } from './knocking.ts'
import type { Law } from './law.ts'
import type { Home, Moving } from './moving.ts'
import type { PrivateTalks } from './private.ts'
import type { Records } from './record.ts'
import type { CommunityEvents } from './types.ts'

/** A charter that the relay lacks is given back by many: not by all at once. */
const restoreWithinMs = 500
/** The secret may be a moment behind the word that the room has moved. */
const knockAfterMs = 3000
/** How long a notice of a kick explains a departure. */
const explainsMs = 60_000

export type HomeParts = {
  law: Law
  records: Records
  founding: Founding
  talks: PrivateTalks
  channels: Channels
  knocking: Knocking
  moving(): Moving
}

export type HomePorts = Pick<ClientPorts, 'now' | 'setTimer' | 'jitter'> & {
  emit: Emit
  self(): MemberId
  /** In the home for the first time. */
  entered(): void
  /** The home has moved, and this client was not taken along. */
  outside(): void
  /** The home has ended, and with it everything. */
  ended(code: EndCode, sentence: string): void
  offered(handover: Handover, from: string): void
  /** Somebody opened a channel. */
  channelHeard(name: string, by: MemberId): void
}

export type HomeListening = {
  bind(home: Home): void
  /** A room whose rules this client knows and the relay may have lost. */
  lookAfter(room: Room): void
  /** By whom and why somebody was put out, as far as it is signed. */
  whyPutOut(id: MemberId, why: 'kicked' | 'banned'): { by: string | null; reason: string }
}

export function createHomeListening(parts: HomeParts, ports: HomePorts): HomeListening {
  const { emit } = ports
  const kicks = new Map<MemberId, { by: string; reason: string; at: number }>()
  let wasInside = false

  const isHome = (home: Home) => parts.moving().home === home

  function takeRules(home: Home, by: RoomEvents['charter']['by'] | null) {
    const charter = home.room.charter()
    const draft = home.desk.draft()
    if (charter === null || draft === null || parts.law.current()?.charter === charter) return
    parts.founding.cancel()
    parts.records.saveCharter(home.room.keys.id, charter.pair)
    parts.law.update(charter, draft, by ?? charter.rules.signer)
    if (!charter.rules.moved) return
    if (isHome(home) && !parts.moving().underWay) ports.outside()
    knockSoon(home)
  }

  function knockSoon(home: Home) {
    ports.setTimer(knockAfterMs, () => {
      const isBehind = isHome(home) && home.room.charter()?.rules.moved === true
      if (isBehind && !parts.moving().underWay && home.room.inside) parts.knocking.knock(home)
    })
  }

  /** Gives the relay back what it lost; who is first spares the others. */
  function restore(room: Room, has: CharterAtRelay) {
    const known = room.charter()
    if (known === null || (has !== 'none' && has !== 'old')) return
    const isOwner = parts.law.current()?.rank === 'owner'
    const waitMs = isOwner ? 0 : Math.floor(ports.jitter() * restoreWithinMs)
    ports.setTimer(waitMs, () => {
      if (room.inside && room.charter() === known) room.publish(known.pair).catch(ignore)
    })
  }

  /** A relay that lost a moved room's rules before this client heard them: an op's client makes them again. */
  function mend(home: Home) {
    const { law } = parts
    ports.setTimer(Math.floor(ports.jitter() * restoreWithinMs), () => {
      const current = law.current()
      const isLacking = isHome(home) && home.room.inside && home.room.charter() === null
      if (!isLacking || current === null || current.rank === 'member') return
      home.desk.adopt(current.charter.pair.charter, { ...current.draft, moved: false }).catch(ignore)
    })
  }

  function ready(
    home: Home,
    { alone, first, charter: has }: Pick<RoomEvents['ready'], 'alone' | 'first' | 'charter'>,
  ) {
    const { room } = home
    takeRules(home, null)
    restore(room, has)
    if (room.charter() === null && parts.law.current() !== null) mend(home)
    if (room.charter()?.rules.moved) knockSoon(home)
    const governed = has !== 'none' || room.charter() !== null || home.secret !== null
    parts.founding.entered({ alone, fresh: room.position()?.seq === 0, governed, first })
    parts.moving().resume()
    parts.talks.look()
    if (!wasInside) {
      wasInside = true
      ports.entered()
    }
  }

  function notice(origin: Origin, said: Notice) {
    const { law } = parts
    if (said.t === 'channel') {
      parts.channels.heard(said.name)
      ports.channelHeard(said.name, origin.memberId)
    } else if (said.t === 'offer') {
      ports.offered(said.handover, origin.from)
    } else if (said.t === 'act' && said.what === 'kick') {
      if (!outranks(law.rankOf(origin.publicKey), law.rankOfMember(said.id))) return
      kicks.set(said.id, { by: origin.from, reason: said.reason, at: ports.now() })
      const act: CommunityEvents['act'] = {
        what: 'kick',
        target: said.name,
        by: origin.from,
        reason: said.reason,
        until: null,
      }
      emit('act', act)
    }
  }

  function body(home: Home, event: RoomEvents['body']) {
    const { kind, body: bytes, own, session, memberId } = event
    if (parts.law.isHidden(memberId)) return
    if (kind === frameKinds.call && !own) parts.talks.called(home.room, session, bytes)
    else if (kind === frameKinds.move) parts.moving().heard(home.room, event, bytes)
    else if (kind === frameKinds.notice && isHome(home)) {
      const said = decodeNotice(bytes)
      if (said !== null) notice(event, said)
    }
  }

  function whyPutOut(id: MemberId, why: 'kicked' | 'banned') {
    const kick = kicks.get(id)
    if (why === 'kicked' && kick !== undefined && ports.now() - kick.at < explainsMs) {
      return { by: kick.by, reason: kick.reason }
    }
    // What is signed, also when it was signed in an earlier run.
    const draft = parts.moving().home.desk.draft()
    const note = why === 'banned' && draft?.bans.has(id) ? draft.text.people[id] : undefined
    return { by: note?.by ?? null, reason: note?.reason ?? '' }
  }

  function expelled(why: 'kicked' | 'banned') {
    emit('expelled', { view: { kind: 'room' }, why, ...whyPutOut(ports.self(), why) })
  }

  return {
    bind(home) {
      const { room } = home
      const on = <E extends keyof RoomEvents>(event: E, listener: (value: RoomEvents[E]) => void) =>
        room.on(event, (value) => {
          if (isHome(home)) listener(value)
        })
      let wasExpelled = false
      on('ready', (event) => ready(home, event))
      on('charter', ({ by }) => takeRules(home, by))
      on('charter-refused', ({ why }) => {
        emit('warning', { code: `charter-${why}`, sentence: refusedSentences[why] })
      })
      on('joined', () => parts.talks.look())
      on('left', () => parts.talks.look())
      on('expelled', ({ why }) => {
        wasExpelled = true
        expelled(why)
      })
      on('ended', ({ code, sentence }) => {
        if (code === 'banned' && !wasExpelled) expelled('banned')
        const isPutOut = code === 'kicked' || code === 'banned'
        const isSigned = isPutOut && whyPutOut(ports.self(), code).by !== null
        ports.ended(code, isPutOut && !isSigned ? unsignedSentence : sentence)
      })
      // The room before may still say something to those who were in it.
      room.on('body', (event) => body(home, event))
      if (room.inside) {
        takeRules(home, null)
        ready(home, { alone: false, first: false, charter: room.charter() === null ? 'none' : 'same' })
      }
    },
    lookAfter(room) {
      room.on('ready', ({ charter }) => restore(room, charter))
      room.on('charter', ({ charter }) => parts.records.saveCharter(room.keys.id, charter.pair))
    },
    whyPutOut,
  }
}

function ignore(error: unknown): void {
  if (!(error instanceof ChatRefusal)) throw error
}

const unsignedSentence =
  'The relay put you out, and shows nothing signed by somebody with the right to it; ask the owner another way.'

export const refusedSentences = {
  old: 'The relay showed rules of this room that are out of date; this client keeps to the newer ones that it knows, and gives them back.',
  foreign:
    'The relay says that somebody else owns this room, whom no owner before made owner. That counts for nothing here: tell the others another way, and do not trust this relay.',
  invalid:
    'The relay showed rules of this room that are not signed as they have to be. They count for nothing here; do not trust this relay.',
} as const
