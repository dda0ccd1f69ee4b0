// The public door: everything between what a person types and what goes over the wire.
// Primitives stay inside, so that nobody builds a second scheme from them by accident.
export { chainBytes, firstChain, nextChain } from './chain.ts'
export { joinKey, type Signer, signCharter, signHandover, signRules, verifier } from './charter-signing.ts'
export { canonicalPin, generateCode, isGeneratedCode, type Random } from './codes.ts'
export { callBody, channelRoom, isCalled, movedRoom, type Peer, pairRoom } from './derived-rooms.ts'
export { type CryptoInputCode, CryptoInputError } from './errors.ts'
export {
  bodyBytesMax,
  createOpener,
  createSealer,
  frameKinds,
  type OpenedFrame,
  type Opener,
  type Sealer,
  type View,
} from './frames/sealed-frame.ts'
export { decodeInvite, encodeInvite } from './invite.ts'
export {
  createIdentity,
  entropyFromWords,
  type MemberKey,
  memberEntropy,
  memberKey,
  recoveryWords,
} from './member-key.ts'
export { openMove, sealMove } from './move.ts'
export { awayText, channelName, displayName, normalizeName } from './names.ts'
export { fingerprint, memberId, publicKeyText, verifyWords } from './public-key.ts'
export { deriveRoom, nameTag, type RoomKeys } from './room-keys.ts'
export { openRules, sealRules } from './rules.ts'
export {
  openProfile,
  type Profile,
  type ProfileContent,
  sealedProfileBytes,
  sealProfile,
} from './sealed-profile.ts'
export { createSession, type Session } from './session.ts'
export { type PinStrength, pinStrength } from './strength.ts'
