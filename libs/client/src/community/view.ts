// What names a view: a short key that is the same however the name was typed.
import { channelName, normalizeName } from '@pychat/crypto'
import type { View } from './types.ts'

/** '' for the room, '#dev' for a channel, '@bob' for a private conversation. @throws CryptoInputError on no name */
export function viewKey(view: View): string {
  switch (view.kind) {
    case 'room':
      return ''
    case 'channel':
      return `#${channelName(view.name)}`
    case 'private':
      return `@${normalizeName(view.user, 'username')}`
  }
}
