// The transport contract on uWebSockets.js; skipped, with the reason, where its binary does not load.
import { it } from 'vitest'
import { createUwsTransport } from '../../src/transport/uws.ts'
import { loadUwsBinary } from '../../src/transport/uws-binary.ts'
import { describeTransport } from './contract.ts'

const binary = loadUwsBinary()
if (binary.ok) {
  describeTransport({
    kind: 'uws',
    create: createUwsTransport(binary.module),
    refusesUnmasked: false,
    inPortions: false,
  })
} else {
  it.skip(`passes the transport contract (skipped: ${binary.reason})`, () => {})
}
