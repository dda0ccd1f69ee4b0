// How long a request may stay without an answer, and when to ask again after the answer "later". When to connect again
// is the connection's part (docs/protocol.md, sections 3 and 10).
import type { RelayControlOf } from '@pychat/protocol'

/** Longest silence of a relay that was asked; then another connection has to try. */
export const answerTimeoutMs = 10_000
const retryMs = 1000
const retryMaxMs = 30_000

/** Milliseconds until a refused request may be repeated: at least what the relay wants. @param jitter 0..1 */
export function laterMs(refused: RelayControlOf<'refused'>, jitter: number): number {
  const waitMs = Math.min(refused.retryMs ?? retryMs, retryMaxMs)
  return waitMs + Math.floor(jitter * Math.max(waitMs, retryMs))
}
