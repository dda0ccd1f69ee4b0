// An invite's line and its QR code: what is printed gives the same invite back, however it was copied.
import { decodeInvite } from '@pychat/crypto'
import type { RoomId } from '@pychat/protocol'
import jsqr from 'jsqr'
import { describe, expect, it } from 'vitest'
import { inviteText } from '../src/invite.ts'

// The package is CommonJS, whose default export is the function or holds it.
const scan = ('default' in jsqr ? jsqr.default : jsqr) as typeof jsqr.default

const pin = 'crisp-ocean-lamp-tiger-velvet-anchor'
const relays = ['ws://192.168.1.20:8765', 'ws://10.0.0.5:8765']
const moved = { name: 'MyFriends', secret: 'ab'.repeat(32), root: 'cd'.repeat(16) as RoomId }

describe('an invite', () => {
  it.each([
    [{ name: 'MyFriends', pin }, relays],
    [{ name: 'Überlingen 🦆', pin: 'short' }, ['wss://chat.example.org']],
    [moved, relays],
  ])('%j is one line that says it all', (parts, urls) => {
    const { line } = inviteText(parts, urls)
    expect(line).toMatch(/^pychat:[\x21-\x7e]+$/)
    expect(decodeInvite(line)).toEqual({ v: 1, relays: urls, ...parts })
    // Wrapped by a mail program, and quoted.
    expect(decodeInvite(` ${line.replace(/(.{30})/g, '$1\n  ')}\n`)).toEqual({ v: 1, relays: urls, ...parts })
  })

  it('holds no more relays than an invite may', () => {
    const many = Array.from({ length: 9 }, (_, i) => `ws://192.168.1.${i}:8765`)
    const long = `wss://chat.example.org/${'a'.repeat(300)}`
    expect(decodeInvite(inviteText(moved, [long, ...many]).line).relays).toEqual(many.slice(0, 4))
  })
})

/** The printed rows as pixels, as a camera would see them. @param paper what the terminal's background is */
function photograph(rows: string[], paper: 'black' | 'white', drawn: 'black' | 'white') {
  const scale = 4
  const width = (rows[0] as string).length
  const height = rows.length * 2
  const pixels = new Uint8ClampedArray(width * height * scale * scale * 4)
  const bright = { black: 0, white: 255 }
  for (let y = 0; y < height * scale; y += 1) {
    for (let x = 0; x < width * scale; x += 1) {
      const character = (rows[Math.floor(y / scale / 2)] as string)[Math.floor(x / scale)] as string
      const lower = Math.floor(y / scale) % 2 === 1
      const ink = character === '█' || character === (lower ? '▄' : '▀')
      pixels.fill(bright[ink ? drawn : paper], (y * width * scale + x) * 4, (y * width * scale + x) * 4 + 3)
      pixels[(y * width * scale + x) * 4 + 3] = 255
    }
  }
  return { pixels, width: width * scale, height: height * scale }
}

function read(rows: string[], paper: 'black' | 'white', drawn: 'black' | 'white', inverted: boolean) {
  const { pixels, width, height } = photograph(rows, paper, drawn)
  return scan(pixels, width, height, { inversionAttempts: inverted ? 'invertFirst' : 'dontInvert' })?.data
}

describe.each([
  ['with a PIN', inviteText({ name: 'MyFriends', pin }, relays)],
  ['with a secret', inviteText(moved, relays)],
])('the QR code of an invite %s', (_what, { line, qr }) => {
  it('can be scanned, in black on white by its own colours', () => {
    const rows = qr(80, true)
    const bare = rows.map((row) => row.replace(/^\x1b\[38;5;16;48;5;231m(.*)\x1b\[0m$/, '$1'))
    expect(bare.join('')).toMatch(/^[ █▀▄]+$/)
    expect(new Set(bare.map((row) => row.length)).size).toBe(1)
    expect(read(bare, 'white', 'black', false)).toBe(line)
    // Quiet zone: four modules on each side.
    expect(bare.slice(0, 2).join('')).toMatch(/^ +$/)
    for (const row of bare) expect(row).toMatch(/^ {4}.* {4}$/)
  })

  it('can be scanned without colours on a dark terminal, and inverted on a light one', () => {
    const rows = qr(80, false)
    expect(rows.join('')).toMatch(/^[ █▀▄]+$/)
    expect(read(rows, 'black', 'white', false)).toBe(line)
    expect(read(rows, 'white', 'black', true)).toBe(line)
  })

  it('fits a terminal of 80 columns, and is left out where it does not fit', () => {
    expect((qr(80, false)[0] as string).length).toBeLessThanOrEqual(79)
    expect(qr(40, true)).toEqual([])
  })
})
