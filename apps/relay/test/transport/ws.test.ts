// The transport contract on the ws package.
import { createWsTransport } from '../../src/transport/ws.ts'
import { describeTransport } from './contract.ts'

describeTransport({ kind: 'ws', create: createWsTransport, refusesUnmasked: true, inPortions: true })
