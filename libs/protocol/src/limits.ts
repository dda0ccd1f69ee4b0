// Every bound of the protocol, unit last in the name. docs/protocol.md prints them; a test compares.

export const limits = {
  /** Text a client may send in one control message. */
  controlBytesMax: 4096,
  /** The same for "charter", which carries two signed documents. */
  charterControlBytesMax: 49_152,
  /** Text a relay may send in one control message. */
  relayControlBytesMax: 131_072,
  /** Sealed frame: 42 header + padded text + 16 tag. The largest one stays below 16 KiB when delivered. */
  frameBytesMin: 42 + 256 + 16,
  frameBytesMax: 42 + 15_360 + 16,
  /** A delivered frame: 42 more. */
  deliveryBytesMax: 42 + 42 + 15_360 + 16,
  /** Sealed profile. */
  profileBytesMin: 32,
  profileBytesMax: 512,
  /** Normalised server name and username, UTF-8. */
  nameBytesMax: 64,
  /** Normalised PIN, UTF-8. */
  pinBytesMax: 128,
  roomsPerConnectionMax: 64,
  rosterPageMembersMax: 64,
  /** A room with more members is quiet: its relay does not tell who comes and goes... */
  wholeRosterMembersMax: 256,
  /** ...until fewer than these are left. */
  quietRoomMembersMin: 192,
  /** One answer to "log": so many deliveries, or so many bytes of them, whichever comes first (but always one). */
  logPageFramesMax: 256,
  logPageBytesMax: 262_144,
  /** A connection that has not said hello by then is closed. */
  helloTimeoutMs: 10_000,
  /** The relay sends a WebSocket ping at least this often; a client that hears nothing for twice as long reconnects. */
  pingIntervalMs: 25_000,
  /** A session ends after this many frames; start a new one. */
  framesPerSessionMax: 2 ** 24,
  /** The two signed documents of a room, ASCII, and what their lists hold. */
  charterDocBytesMax: 8192,
  rulesDocBytesMax: 28_672,
  opsMax: 32,
  handoversMax: 8,
  bansMax: 128,
  mutedMax: 128,
  admittedMax: 256,
  /** Highest member limit that rules can set. */
  limitMembersMax: 100_000,
  /** What members tell each other inside sealed bytes, UTF-8. */
  noticeBytesMax: 1024,
  reasonBytesMax: 256,
  motdBytesMax: 2000,
  channelNameBytesMax: 32,
  channelsMax: 64,
  /** So that the longest name, a key and this text fit a profile. */
  awayBytesMax: 57,
  /** Members who get the new secret by one frame. */
  moveMembersMax: 230,
  inviteRelaysMax: 4,
  inviteRelayBytesMax: 256,
  /** An operator's announcement, in UTF-16 units. */
  announcementCharactersMax: 500,
  /** Bad messages a connection may send before it is closed. */
  badMessagesMax: 3,
} as const

/** The sizes a padded plaintext may have, ascending, in bytes. */
export const paddingBucketsBytes = [256, 512, 1024, 2048, 4096, 8192, 15_360] as const

export const protocolVersion = 1
export const relayPortDefault = 8765
export const opsPortDefault = 9765
