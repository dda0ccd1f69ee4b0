// What deriveRoom makes of names and PINs; exact bytes are compared with the second implementation in vectors.test.ts.
import { deriveRoom, nameTag } from '@pychat/crypto'
import { expect, test } from 'vitest'
import { hex, roomFrom } from './fixtures.ts'

const code = 'abandon-ability-able-about-above-absent'

test('spelling the name or the code another way leads to the same room', async () => {
  const room = await deriveRoom('The Lobby', code)
  expect(await deriveRoom(' ｔhe  LOBBY', code.replaceAll('-', ' ').toUpperCase())).toEqual(room)
})

test('another name or another PIN leads to another room with nothing in common', async () => {
  const rooms = await Promise.all([
    deriveRoom('lobby', '1111'),
    deriveRoom('lobby', '1112'),
    deriveRoom('lobbx', '1111'),
  ])
  const values = rooms.flatMap((room) => [
    room.id,
    hex(room.roomKey),
    hex(room.nameTagKey),
    hex(room.sealKey),
    hex(room.deriveKey),
    room.shortId,
  ])
  expect(new Set(values).size).toBe(18)
})

test('ids and keys have the lengths of the protocol, and the short id belongs to the id', async () => {
  const room = await deriveRoom('lobby', '1111')
  expect(hex(room.idBytes)).toBe(room.id)
  const keys = [room.idBytes, room.roomKey, room.nameTagKey, room.sealKey, room.deriveKey]
  expect(keys.map((key) => key.length)).toEqual([16, 32, 32, 32, 32])
  expect(room.shortId).toMatch(/^[a-z2-7]{4}-[a-z2-7]{4}$/)
})

test('refuses a name or a PIN that cannot be used and says which of them', async () => {
  await expect(deriveRoom('', '1111')).rejects.toMatchObject({
    code: 'name-empty',
    message: /^The server name is empty/,
  })
  await expect(deriveRoom('lobby', '')).rejects.toMatchObject({
    code: 'pin-empty',
    message: /^The PIN is empty/,
  })
})

test('a name tag is the same for names that read alike, and tells nothing across rooms', () => {
  const [room, other] = [roomFrom('a'), roomFrom('b')]
  expect(nameTag(room, 'Ana  B')).toBe(nameTag(room, 'ａna b'))
  expect(nameTag(room, 'Ana')).not.toBe(nameTag(room, 'Anna'))
  expect(nameTag(room, 'Ana')).not.toBe(nameTag(other, 'Ana'))
  expect(() => nameTag(room, '')).toThrow('The username is empty')
})
