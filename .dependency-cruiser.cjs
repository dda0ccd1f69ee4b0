// Keeps the arrows of docs/architecture.md: who may import whom. `npm run arrows` checks, `npm run verify` includes it.
// Type imports count as imports. What a package may import from the registry is npm's business, not this file's,
// except for the one native package that only one file may name.
const arrow = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

/** Our own packages, by folder; `ours('x|y')` is every folder of ours but x and y. */
const ours = (but) => ({ path: '^(libs|apps|loadtest)/', pathNot: `^(${but})/` })

module.exports = {
  forbidden: [
    arrow('no-cycles', 'A file that reaches itself has two homes.', {}, { circular: true }),
    arrow(
      'resolved',
      'Every import leads to a file or an installed package.',
      {},
      { couldNotResolve: true, pathNot: '^uWebSockets\\.js$' },
    ),
    arrow(
      'libs-not-apps',
      'Libraries never import programs.',
      { path: '^libs/' },
      { path: '^(apps|loadtest)/' },
    ),
    arrow('protocol-alone', 'The wire knows nobody.', { path: '^libs/protocol/' }, ours('libs/protocol')),
    arrow(
      'crypto-to-protocol',
      'Crypto knows the wire only.',
      { path: '^libs/crypto/' },
      ours('libs/crypto|libs/protocol'),
    ),
    arrow(
      'crypto-pure',
      'No I/O in the crypto: of Node it may use node:crypto alone.',
      { path: '^libs/crypto/src/' },
      { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    ),
    arrow(
      'engine-to-crypto-and-protocol',
      'The client engine has no screen and no program.',
      { path: '^libs/client/' },
      ours('libs/client|libs/crypto|libs/protocol'),
    ),
    arrow(
      'engine-without-node',
      'The client engine gets sockets, clock and randomness through its ports.',
      { path: '^libs/client/src/' },
      { dependencyTypes: ['core'] },
    ),
    arrow(
      'relay-blind',
      'The relay can decrypt nothing: it imports the wire and nothing else of ours.',
      { path: '^apps/relay/(src|bin)/' },
      ours('apps/relay|libs/protocol'),
    ),
    arrow(
      'admin-to-protocol',
      'pychat-admin speaks the admin API, never Redis, never a relay file.',
      { path: '^apps/admin-cli/src/' },
      {
        path: ['^(libs|apps|loadtest)/', 'node_modules/ioredis'],
        pathNot: '^(apps/admin-cli|libs/protocol)/',
      },
    ),
    arrow(
      'client-not-relay',
      'The terminal client reaches a relay over the wire only; host/ starts one by its public door.',
      { path: '^apps/client/src/' },
      { path: '^(apps/(relay|admin-cli)|loadtest)/', pathNot: '^apps/relay/src/embed\\.ts$' },
    ),
    arrow(
      'host-alone-to-embed',
      'Only host/ carries a relay.',
      { path: '^(apps|libs|loadtest)/', pathNot: '^apps/(client/src/host|relay)/' },
      { path: '^apps/relay/src/embed\\.ts$' },
    ),
    arrow(
      'transport-knows-its-port',
      'A transport knows sockets and topics: its port and the wire.',
      { path: '^apps/relay/src/transport/' },
      ours('apps/relay/src/transport|libs/protocol'),
    ),
    arrow(
      'session-knows-ports',
      'A session speaks to ports, never to an adapter.',
      { path: '^apps/relay/src/session/' },
      { path: '^apps/relay/src/(transport|rooms|cluster)/', pathNot: '/(transport|rooms|cluster)\\.ts$' },
    ),
    arrow(
      'nothing-imports-main',
      'main is the top: it wires, nobody imports it.',
      { path: '^(apps|libs)/[^/]+/src/' },
      { path: '^apps/[^/]+/src/main\\.ts$' },
    ),
    arrow(
      'uws-in-one-place',
      'Only the uWS adapter names the native package.',
      { path: '^(apps|libs)/', pathNot: '^apps/relay/(src|test)/transport/uws' },
      { path: 'uWebSockets\\.js|uwebsockets' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/dist/|^loadtest/bench/results/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@pychat/source', 'import', 'node', 'types', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
}
