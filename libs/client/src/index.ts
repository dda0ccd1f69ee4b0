// The public door of the session engine: one client in its rooms, without a screen, a clock or a network of its own.
export { ChatRefusal, type ChatRefusalCode } from './chat-refusal.ts'
export { type Client, type ClientOptions, createClient } from './client.ts'
export { type CommunityPorts, createCommunity } from './community/community.ts'
export type {
  ActName,
  BanLine,
  CharterChange,
  CharterView,
  Community,
  CommunityEvents,
  CommunityMemory,
  CommunityOptions,
  InviteParts,
  KeyStanding,
  KnownPerson,
  PeoplePage,
  Person,
  Rank,
  RoomRecord,
  View,
  WarningCode,
} from './community/types.ts'
export { viewKey } from './community/view.ts'
export { backoffMs } from './connection.ts'
export type { ClientEvents, ConnectionState, StopReason } from './events.ts'
export { pendingMax } from './outbox.ts'
export type { ClientPorts, ClientSocket, SocketHandlers } from './ports.ts'
export type { Place } from './position.ts'
export type { PendingMessage, Room, RoomOptions } from './room.ts'
export type { CharterAtRelay, EndCode, Origin, RoomEvents, User, UserPage } from './room-events.ts'
