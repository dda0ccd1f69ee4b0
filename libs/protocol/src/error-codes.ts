// The table of refusals: what a relay answers to a request that it will not carry out.
// docs/protocol.md prints the same rows; a test compares.

/**
 * What a client does about a refusal.
 * - `never`: the same request will be refused again; a person has to change something.
 * - `later`: repeat the same request after a pause (`retryMs` when the message has it).
 */
export type Retry = 'never' | 'later'

export const errorTable = {
  'bad-message': { retry: 'never', sentence: 'The relay could not understand a message.' },
  'unsupported-version': {
    retry: 'never',
    sentence: 'This relay speaks another protocol version; update the older side.',
  },
  'hello-first': { retry: 'never', sentence: 'The first message of a connection has to be "hello".' },
  'too-long': { retry: 'never', sentence: 'The message is longer than this relay carries.' },
  'too-many-rooms': { retry: 'never', sentence: 'This connection is in as many rooms as it may be.' },
  'already-joined': { retry: 'never', sentence: 'This connection is already in that room.' },
  'name-taken': {
    retry: 'never',
    sentence: 'Someone in this room already uses that name; choose another one.',
  },
  'session-taken': {
    retry: 'never',
    sentence: 'This session id belongs to somebody else; start a new session.',
  },
  'room-full': { retry: 'never', sentence: 'This room is full.' },
  'not-member': { retry: 'never', sentence: 'This session is not in the room any more; join again.' },
  'key-needed': {
    retry: 'never',
    sentence: 'This room has an owner; the client has to prove its key to come in.',
  },
  banned: { retry: 'never', sentence: 'You are banned from this room.' },
  'room-banned': {
    retry: 'never',
    sentence: 'Whoever runs this relay has closed this room; ask them why.',
  },
  'key-banned': {
    retry: 'never',
    sentence: 'Whoever runs this relay has banned your key; ask them why.',
  },
  'room-locked': {
    retry: 'never',
    sentence: 'This room is locked; ask its owner or an operator to let you in.',
  },
  muted: { retry: 'never', sentence: 'You are muted in this room: you can read, but not write.' },
  'not-allowed': { retry: 'never', sentence: 'Your rank in this room does not allow that.' },
  'charter-old': {
    retry: 'never',
    sentence: 'The rules of this room have changed meanwhile; read them and try again.',
  },
  'charter-invalid': {
    retry: 'never',
    sentence: 'The rules of this room are not written and signed as they have to be.',
  },
  gap: { retry: 'later', sentence: 'An earlier message of this session is missing; send from "last" + 1.' },
  emergency: {
    retry: 'later',
    sentence: 'This relay lets only people it knows in right now; try again in a while.',
  },
  'too-fast': { retry: 'later', sentence: 'Too many messages at once; wait a moment.' },
  unavailable: { retry: 'later', sentence: 'The relay cannot reach its store right now; try again soon.' },
} as const satisfies Record<string, { retry: Retry; sentence: string }>

export type ErrorCode = keyof typeof errorTable

export const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]
