// How the program ends, for scripts: one table for the codes, the help text and the README.

const table = {
  quit: { code: 0, text: 'you left; all that was to be sent is sent' },
  failed: { code: 1, text: 'something went wrong that no other number says' },
  usage: { code: 2, text: 'a flag, setting or answer cannot be used' },
  nameTaken: { code: 3, text: 'someone in the room already has that username' },
  refused: { code: 4, text: 'the relay or the room refused: it is full, locked, or you are banned' },
  notThere: { code: 5, text: 'send: nobody of that name is in the room' },
  unreachable: { code: 7, text: 'the relay cannot be reached, or messages stayed unsent' },
  cancelled: { code: 130, text: 'you stopped at a question (Ctrl-C)' },
} as const satisfies Record<string, { code: number; text: string }>

type ExitCodes = { readonly [Name in keyof typeof table]: (typeof table)[Name]['code'] }

export const exitCodes = Object.fromEntries(
  Object.entries(table).map(([name, { code }]) => [name, code]),
) as ExitCodes

export const exitCodeLines = Object.values(table).map(
  ({ code, text }) => `${String(code).padEnd(3)}  ${text}`,
)
