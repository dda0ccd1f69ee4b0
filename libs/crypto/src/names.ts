// Which names are the same name (server names, usernames) and how a username is shown.
// Follows docs/protocol.md, "Names". What counts as unassigned depends on the Unicode version of the platform:
// a name with a character that is newer than the platform is refused there.
import { limits } from '@pychat/protocol'
import { CryptoInputError } from './errors.ts'
import { utf8 } from './labels.ts'
import { orNull } from './refused.ts'

const forbidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/u
const whiteSpaceRuns = /\p{White_Space}+/gu

function tidy(text: string, subject: string): string {
  const name = text.replace(whiteSpaceRuns, ' ').replace(/^ | $/g, '')
  if (name === '') throw new CryptoInputError('name-empty', subject)
  if (forbidden.test(name)) throw new CryptoInputError('name-character', subject)
  if (utf8(name).length > limits.nameBytesMax) throw new CryptoInputError('name-too-long', subject)
  return name
}

/**
 * The form that keys and tags are made from: names that read alike in case, width or spacing become one.
 * @param subject what the error sentence calls it
 * @throws CryptoInputError name-empty, name-too-long (over 64 bytes of UTF-8) or name-character
 */
export function normalizeName(text: string, subject = 'name'): string {
  return tidy(text.normalize('NFKC').toLowerCase().normalize('NFKC'), subject)
}

const notInChannels = /[#/, ]/

/**
 * The form that a channel's keys are made from. A "#" that people type before it is taken off.
 * @throws CryptoInputError channel-name
 */
export function channelName(text: string): string {
  const name = orNull(() => normalizeName(text.trim().replace(/^#/, ''), 'channel name'))
  if (name === null || notInChannels.test(name) || utf8(name).length > limits.channelNameBytesMax) {
    throw new CryptoInputError('channel-name', 'channel name')
  }
  return name
}

/**
 * What others see beside somebody who is away: composed, spacing tidied, maybe empty.
 * @throws CryptoInputError away-too-long (over 57 bytes of UTF-8) or name-character
 */
export function awayText(text: string): string {
  const tidied = text.normalize('NFC').replace(whiteSpaceRuns, ' ').trim()
  if (forbidden.test(tidied.replace(/[\u200c\u200d]/g, '')))
    throw new CryptoInputError('name-character', 'away text')
  if (utf8(tidied).length > limits.awayBytesMax) throw new CryptoInputError('away-too-long', 'away text')
  return tidied
}

/**
 * The form that is shown: case kept, spacing tidied. Doing it twice changes nothing.
 * @throws CryptoInputError name-empty, name-too-long (over 64 bytes of UTF-8) or name-character
 */
export function displayName(text: string, subject = 'name'): string {
  return tidy(text.normalize('NFC'), subject)
}
