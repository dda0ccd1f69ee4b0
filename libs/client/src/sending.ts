// What a host wants to say: it gives each message its id, says why one cannot be sent, and keeps those that failed so
// that they can be tried once more. When and how often a frame goes out is the outbox's part.
import { CryptoInputError, frameKinds } from '@pychat/crypto'
import { type Draft, type Outbox, pendingMax } from './outbox.ts'
import type { PendingMessage } from './room.ts'
import type { RoomEvents } from './room-events.ts'

export type Sending = {
  text(text: string): number
  body(kind: number, body: Uint8Array): number
  retry(id: number): boolean
  pending(): PendingMessage[]
  /** @param retry whether it may be tried again */
  failed(drafts: readonly Draft[], reason: string, retry: boolean): void
}

export function createSending(ports: {
  outbox(): Outbox
  now(): number
  /** Why nothing can be sent now, one sentence; null when it can. */
  hindrance(): { sentence: string; retry: boolean } | null
  failed(event: RoomEvents['failed']): void
}): Sending {
  let lastId = 0
  const failures = new Map<number, Draft>()

  function fail(draft: Draft, reason: string, retry: boolean) {
    if (retry) {
      failures.set(draft.id, draft)
      const oldest = failures.size > pendingMax ? failures.keys().next().value : undefined
      if (oldest !== undefined) failures.delete(oldest)
    }
    ports.failed({ id: draft.id, kind: draft.kind, text: textOf(draft), reason, retry })
  }
  function take(draft: Draft) {
    const hindrance = ports.hindrance()
    if (hindrance) return fail(draft, hindrance.sentence, hindrance.retry)
    try {
      const outbox = ports.outbox()
      if (outbox.add(draft)) return
      const isFull = outbox.pending().length >= pendingMax
      fail(draft, isFull ? fullSentence : usedUpSentence, true)
    } catch (error) {
      if (!(error instanceof CryptoInputError)) throw error
      fail(draft, error.message, false)
    }
  }
  function taken(kind: number, body: Uint8Array): number {
    lastId += 1
    const id = lastId
    take({ id, kind, body, sentAt: ports.now() })
    return id
  }

  return {
    text: (text) => taken(frameKinds.text, new TextEncoder().encode(text)),
    body: taken,
    retry(id) {
      const draft = failures.get(id)
      if (!draft) return false
      failures.delete(id)
      take({ ...draft, sentAt: ports.now() })
      return true
    },
    pending: () =>
      ports
        .outbox()
        .pending()
        .map((draft) => ({ id: draft.id, kind: draft.kind, text: textOf(draft), sentAt: draft.sentAt })),
    failed(drafts, reason, retry) {
      for (const draft of drafts) fail(draft, reason, retry)
    },
  }
}

export function textOf({ kind, body }: Pick<Draft, 'kind' | 'body'>): string {
  return kind === frameKinds.text ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(body) : ''
}

const fullSentence = `Already ${pendingMax} messages wait to be sent; wait until some are.`
const usedUpSentence = 'This session has sent as much as it may, and a new one begins; try again in a moment.'
