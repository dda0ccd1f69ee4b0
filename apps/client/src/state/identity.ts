// The one secret that a person's keys of all rooms come from (docs/protocol.md, "Member keys"): made once, at the first
// start, and never sent anywhere. Whoever has this file can speak as this person.
import { createIdentity } from '@pychat/crypto'
import { decodeHex, encodeHex } from '@pychat/protocol'
import { z } from 'zod'
import { stateFile } from './file.ts'
import type { StateFolder } from './folder.ts'

const identitySchema = z.strictObject({
  schema: z.literal(1),
  identity: z.string().regex(/^[0-9a-f]{64}$/),
})

/**
 * @param random exactly so many fresh bytes
 * @param say gets one sentence when the file was damaged
 * @returns 32 bytes, the same at each call  @throws StateError
 */
export async function loadIdentity(
  folder: StateFolder,
  random: (bytes: number) => Uint8Array,
  say: (sentence: string) => void,
): Promise<Uint8Array> {
  const file = stateFile(folder, 'identity', identitySchema, (aside) =>
    say(
      `The file identity in ${folder.path} was damaged${aside === null ? '' : ` and is now ${aside}`}: you have a new key, and people will be told so; where you own a room, get the old key back with "pychat recover".`,
    ),
  )
  let kept = await file.read()
  if (kept !== null && folder.shut('identity')) {
    say(
      `The file identity in ${folder.path} could be read by others, and no longer can: who has copied it can speak as you.`,
    )
  }
  if (kept === null) {
    const fresh = { schema: 1 as const, identity: encodeHex(createIdentity(random)) }
    // Another program may have been first: then its identity counts.
    await file.update((before) => {
      kept = before ?? fresh
      return before === null ? fresh : null
    })
  }
  // A damaged file that nobody may move: this run has a key of its own.
  return kept === null ? createIdentity(random) : decodeHex(kept.identity)
}
