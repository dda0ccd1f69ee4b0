// The table of WebSocket close codes that a relay uses, each with the rule a client acts on.
// The range alone carries the rule, so a client obeys codes that it does not know yet.

/**
 * - `reconnect`: connect again, after a pause with full jitter.
 * - `stop`: do not connect again by yourself; tell the person.
 */
export type CloseRule = 'reconnect' | 'stop'

export const closeTable = {
  draining: {
    code: 4000,
    rule: 'reconnect',
    sentence: 'This relay node is going away; reconnecting to another.',
  },
  slowReader: { code: 4001, rule: 'reconnect', sentence: 'This connection read too slowly; reconnecting.' },
  leaseLost: {
    code: 4002,
    rule: 'reconnect',
    sentence: 'The relay lost its place in the cluster; reconnecting.',
  },
  tooFast: { code: 4003, rule: 'reconnect', sentence: 'Too many messages at once; reconnecting later.' },
  internal: {
    code: 4004,
    rule: 'reconnect',
    sentence: 'The relay made a mistake on this connection; reconnecting.',
  },
  helloTimeout: {
    code: 4005,
    rule: 'reconnect',
    sentence: 'The relay heard no greeting in time; reconnecting.',
  },
  hostEnded: {
    code: 4006,
    rule: 'reconnect',
    sentence: 'The host ended this room: ask for a new invite, or host it yourself with "pychat host".',
  },
  badMessage: { code: 4500, rule: 'stop', sentence: 'The relay could not understand this client.' },
  unsupportedVersion: {
    code: 4501,
    rule: 'stop',
    sentence: 'The relay speaks another protocol version; update the older side.',
  },
  replaced: { code: 4502, rule: 'stop', sentence: 'This session is in use on a newer connection.' },
  addressBanned: {
    code: 4503,
    rule: 'stop',
    sentence: 'Whoever runs this relay has banned your network address; ask them why.',
  },
} as const satisfies Record<string, { code: number; rule: CloseRule; sentence: string }>

/** Header of a handshake that is refused for good: the close code that it stands for. */
export const closeHeader = 'PyChat-Close'

export type CloseName = keyof typeof closeTable

/** Codes below this one (and every code that is not 4000..4999) mean reconnect; from it up to 4999 they mean stop. */
export const closeStopFrom = 4500

/** The rule for any close code, known or not (RFC 6455 section 7.4 codes and 1006 included). */
export function closeRule(code: number): CloseRule {
  return code >= closeStopFrom && code <= 4999 ? 'stop' : 'reconnect'
}

/** The sentence for a close code, or null for a code that is not in the table. */
export function closeSentence(code: number): string | null {
  for (const row of Object.values(closeTable)) if (row.code === code) return row.sentence
  return null
}
