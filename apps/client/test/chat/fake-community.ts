// A community that does what a test says: remembers what it was asked, and emits what it is told to.
import {
  type CharterView,
  ChatRefusal,
  type ChatRefusalCode,
  type Community,
  type CommunityEvents,
  type Person,
  type View,
  viewKey,
} from '@pychat/client-engine'

export const room: View = { kind: 'room' }
export const channel = (name: string): View => ({ kind: 'channel', name })
export const privately = (user: string): View => ({ kind: 'private', user })

export function person(name: string, more: Partial<Person> = {}): Person {
  const memberId = Buffer.from(name).toString('hex').padEnd(32, '0').slice(0, 32)
  return {
    name,
    session: memberId,
    memberId,
    fingerprint: 'p2xw-77ld',
    self: false,
    rank: 'member',
    muted: false,
    away: null,
    since: Date.parse('2026-11-24T10:00:00Z'),
    verified: false,
    ...more,
  }
}

export type FakeCommunity = Community & {
  emit<E extends keyof CommunityEvents>(event: E, value: CommunityEvents[E]): void
  /** Every request, as "ban Bob 3600000 spam". */
  asked: string[]
  sent: { view: View; id: number; text: string }[]
  members: Person[]
  rules: CharterView | null
  /** The next request is refused like this. */
  refuse: { code: ChatRefusalCode; sentence: string } | null
  /** In the room as this person, with whoever is in `members`. */
  enter(first?: boolean): void
  says(from: string, text: string, view?: View, more?: Partial<CommunityEvents['message']>): void
  /** The relay took the oldest pending message. */
  acknowledge(): void
}

export function createFakeCommunity(self = 'Alice'): FakeCommunity {
  const listeners = new Map<string, ((value: never) => void)[]>()
  let open: View[] = [room]
  let lastId = 0
  let seq = 0
  async function ask(...words: (string | number | boolean | null)[]): Promise<void> {
    fake.asked.push(words.join(' '))
    const { refuse } = fake
    fake.refuse = null
    if (refuse) throw new ChatRefusal(refuse.code, refuse.sentence)
  }
  const fake: FakeCommunity = {
    asked: [],
    sent: [],
    members: [person(self, { self: true })],
    rules: null,
    refuse: null,
    state: 'online',
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener as (value: never) => void])
    },
    emit(event, value) {
      for (const listener of listeners.get(event) ?? []) listener(value as never)
    },
    enter(first = true) {
      const { members: users } = fake
      fake.emit('state', { state: 'online', detail: 'Connected to the relay.' })
      const alone = users.length === 1
      fake.emit('ready', {
        view: room,
        room: 'k3vq-ajwm',
        user: self,
        users,
        count: users.length,
        quiet: false,
        alone,
        first,
      })
    },
    says(from, text, view = room, more = {}) {
      seq += 1
      const { memberId, fingerprint } = person(from)
      const at = Date.now()
      const message = { view, from, memberId, fingerprint, text, at, sentAt: at, seq, own: from === self }
      fake.emit('message', { ...message, key: 'known', ...more })
    },
    acknowledge() {
      const message = fake.sent.shift()
      if (message) fake.says(self, message.text, message.view, { id: message.id, own: true })
    },
    start: () => void fake.asked.push('start'),
    async stop() {
      fake.asked.push('stop')
    },
    send(view, text) {
      lastId += 1
      fake.sent.push({ view, id: lastId, text })
      fake.emit('pending', { view, id: lastId, text, waiting: null })
      return lastId
    },
    retry: (view, id) => void fake.asked.push(`retry ${viewKey(view)} ${id}`),
    pending: () => fake.sent.map((message) => ({ ...message, sentAt: 0 })),
    people: () => fake.members,
    async page(view, after) {
      fake.asked.push(`page ${viewKey(view)} ${after}`)
      const from = after === null ? 0 : Number(after)
      const next = from + 2 < fake.members.length ? String(from + 2) : null
      return { people: fake.members.slice(from, from + 2), count: fake.members.length, next }
    },
    find: (name) => fake.members.find((one) => one.name.toLowerCase() === name.toLowerCase()) ?? null,
    views: () => open,
    async open(view) {
      await ask('open', viewKey(view))
      if (!open.some((one) => viewKey(one) === viewKey(view))) {
        open = [...open, view]
        fake.emit('opened', { view })
      }
      return view
    },
    async close(view) {
      await ask('close', viewKey(view))
      open = open.filter((one) => viewKey(one) !== viewKey(view))
      fake.emit('closed', { view, reason: '' })
    },
    channels: () => ['dev', 'random'],
    charter: () => fake.rules,
    rename: (name) => ask('rename', name),
    away: (text) => ask('away', text),
    motd: (text) => ask('motd', text),
    op: (name) => ask('op', name),
    deop: (name) => ask('deop', name),
    kick: (name, reason) => ask('kick', name, reason),
    ban: (name, { forMs, reason }) => ask('ban', name, forMs, reason),
    unban: (name) => ask('unban', name),
    mute: (name) => ask('mute', name),
    unmute: (name) => ask('unmute', name),
    lock: (locked) => ask('lock', locked),
    limit: (members) => ask('limit', members),
    history: (on) => ask('history', on),
    transfer: (name) => ask('transfer', name),
    acceptTransfer: () => ask('accept'),
    rekey: () => ask('rekey'),
    admit: (name) => ask('admit', name),
    recoveryWords: () => 'one two three',
    verifyWords: (name) => (fake.find(name) ? 'apple bear cat dog egg fox' : null),
    setVerified: (name, verified) => void fake.asked.push(`verified ${name} ${verified}`),
    invite: () => ({ name: 'MyFriends', pin: 'secret' }),
  }
  return fake
}
