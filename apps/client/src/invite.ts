// An invite as people pass it on: one line to paste, and the same as a QR code of block characters. What is in it is
// libs/crypto's part; it is as secret as the PIN.
import type { InviteParts } from '@pychat/client-engine'
import { encodeInvite } from '@pychat/crypto'
import { type Invite, limits } from '@pychat/protocol'
import { encode } from 'uqr'

/** White around a code, in modules: scanners need it to find the code (ISO/IEC 18004). */
const quietModules = 4
/** Black on white by fixed colours, so that it is the same on a dark and on a light terminal. */
const blackOnWhite = '\x1b[38;5;16;48;5;231m'
const reset = '\x1b[0m'

export type InviteText = {
  /** "pychat:...": no spaces, printable ASCII. */
  line: string
  /**
   * Rows ready to print, all of the same width; none when they do not fit.
   * @param columnsMax width of the terminal
   * @param colour false: without escape codes; it is then right on dark terminals, and inverted on light ones, which most
   *   scanners read too
   */
  qr(columnsMax: number, colour: boolean): string[]
}

/** @param relays addresses as ws:// or wss:// URLs, the first to be tried first; more than fit are left out */
export function inviteText(parts: InviteParts, relays: readonly string[]): InviteText {
  const fitting = relays.filter((url) => url.length <= limits.inviteRelayBytesMax)
  const line = encodeInvite({ v: 1, relays: fitting.slice(0, limits.inviteRelaysMax), ...parts } as Invite)
  return { line, qr: (columnsMax, colour) => qrRows(line, columnsMax, colour) }
}

/** Two modules a character: upper and lower half. */
function qrRows(text: string, columnsMax: number, colour: boolean): string[] {
  const { data, size } = encode(text, { ecc: 'L', border: quietModules })
  if (size > columnsMax) return []
  const black = (x: number, y: number) => data[y]?.[x] === true
  const rows: string[] = []
  for (let y = 0; y < size; y += 2) {
    let row = ''
    for (let x = 0; x < size; x += 1) row += halves(black(x, y), black(x, y + 1), colour)
    rows.push(colour ? `${blackOnWhite}${row}${reset}` : row)
  }
  return rows
}

/** @param ink whether the terminal draws black: else what it draws is white */
function halves(upper: boolean, lower: boolean, ink: boolean): string {
  const [top, bottom] = ink ? [upper, lower] : [!upper, !lower]
  if (top) return bottom ? '█' : '▀'
  return bottom ? '▄' : ' '
}
