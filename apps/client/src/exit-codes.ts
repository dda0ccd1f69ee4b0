// How the program ends, for scripts. The help text prints the same table.

export const exitCodes = {
  quit: 0,
  usage: 2,
  nameTaken: 3,
  refused: 4,
  unreachable: 7,
  cancelled: 130,
} as const

export const exitCodeLines = [
  '0    you left',
  '2    a flag, setting or answer cannot be used',
  '3    someone in the room already has that username',
  '4    the relay refused, e.g. the room is full',
  '7    the relay cannot be reached, or messages stayed unsent',
  '130  you stopped at a question (Ctrl-C)',
]
