// The public door of the session engine: one client in one room, without a screen, a clock or a network of its own.
export { type Client, type ClientOptions, createClient } from './client.ts'
export { backoffMs } from './connection.ts'
export type { ClientEvents, ConnectionState, StopReason, User } from './events.ts'
export { pendingMax } from './outbox.ts'
export type { ClientPorts, ClientSocket, SocketHandlers } from './ports.ts'
export type { Place } from './position.ts'
