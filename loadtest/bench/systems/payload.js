// How large a message is everywhere: what a PyChat member gets for a text of up to 256 bytes (docs/protocol.md,
// section 5). Peers that add less of their own carry that much as payload.

export const sealedBytes = 42 + 256 + 16
export const deliveredBytes = 42 + sealedBytes
