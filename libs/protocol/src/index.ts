// The public door of the wire.
export * from './admin.ts'
export * from './admin-bans.ts'
export {
  concat,
  decodeBase64url,
  decodeHex,
  encodeBase64url,
  encodeHex,
  label,
  readUint64,
  writeUint64,
} from './bytes.ts'
export * from './charter.ts'
export {
  type CloseName,
  type CloseRule,
  closeHeader,
  closeRule,
  closeSentence,
  closeStopFrom,
  closeTable,
} from './close-codes.ts'
export * from './control.ts'
export * from './diagnosis.ts'
export { type ErrorCode, errorTable, type Retry } from './error-codes.ts'
export { ProtocolError } from './errors.ts'
export * from './frames.ts'
export {
  type Epoch,
  type MemberId,
  memberIdSchema,
  type NameTag,
  type NodeId,
  nodeIdSchema,
  type PublicKey,
  publicKeySchema,
  type RoomId,
  roomIdSchema,
  type SessionId,
  sessionIdSchema,
  shortCode,
} from './ids.ts'
export { limits, opsPortDefault, paddingBucketsBytes, protocolVersion, relayPortDefault } from './limits.ts'
export * from './sealed-bodies.ts'
