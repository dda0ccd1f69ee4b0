// The line that lets somebody into a room: where the relay is, what the room is called, and its PIN or its secret
// (docs/protocol.md, section 17.6). As secret as what is in it. A checksum notices a line that was cut or mistyped.
import {
  decodeBase64url,
  decodeJson,
  encodeBase64url,
  type Invite,
  inviteSchema,
  readJson,
  shortCode,
} from '@pychat/protocol'
import { canonicalPin } from './codes.ts'
import { CryptoInputError } from './errors.ts'
import { label, utf8 } from './labels.ts'
import { normalizeName } from './names.ts'
import { sha256 } from './primitives.ts'
import { orNull } from './refused.ts'

const scheme = 'pychat:'
const checkCharacters = 6
/** Far above the longest invite, so that nothing longer is looked into. */
const inviteCharactersMax = 4096
const shape = /^pychat:([A-Za-z0-9_-]+)\.([a-z2-7]{6})$/

function checksum(json: Uint8Array): string {
  return shortCode(sha256(label('invite'), json))
    .replace('-', '')
    .slice(0, checkCharacters)
}

/** @throws ProtocolError bad-message when a field is out of bounds; CryptoInputError for a name or PIN that is none */
export function encodeInvite(invite: Invite): string {
  const json = utf8(JSON.stringify(checked(readJson(inviteSchema, invite))))
  return `${scheme}${encodeBase64url(json)}.${checksum(json)}`
}

/**
 * Reads an invite however it was wrapped or spaced, also with the first word in capitals.
 * @throws CryptoInputError invite
 */
export function decodeInvite(text: string): Invite {
  const line = text
    .slice(0, inviteCharactersMax)
    .replace(/\p{White_Space}+/gu, '')
    .replace(/^pychat:/i, scheme)
  const [, body, check] = shape.exec(line) ?? []
  const json = body === undefined ? null : orNull(() => decodeBase64url(body))
  const invite = json === null || checksum(json) !== check ? null : decodeJson(inviteSchema, json)
  const read = invite === null ? null : orNull(() => checked(invite))
  if (read === null || text.length > inviteCharactersMax) throw new CryptoInputError('invite', 'invite')
  return read
}

/** @throws CryptoInputError */
function checked(invite: Invite): Invite {
  normalizeName(invite.name, 'server name')
  if ('pin' in invite && invite.pin !== undefined) canonicalPin(invite.pin)
  return invite
}
