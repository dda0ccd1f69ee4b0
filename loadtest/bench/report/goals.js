// The goals of the suite as a table: a figure or a ratio within one run, and its bound.

/** One row: in this series, this system's figure divided by that peer's is at most so much. */
const ratio = (series, system, peer, max) => ({ series, system, peer, max })
/** One row: in this series, this system's figure is at most so much. */
const figure = (series, system, max) => ({ series, system, peer: null, max })

const [uws, ws, noLog] = ['PyChat (uws)', 'PyChat (ws)', 'PyChat without log']

const acrossNodes = (series, [nchan, centrifugo, socketIo]) => [
  ratio(series, noLog, 'Nchan', nchan),
  ratio(series, noLog, 'Centrifugo', centrifugo),
  ratio(series, noLog, 'Socket.IO', socketIo),
]

export const goals = [
  ...['S1 sparse', 'S1 burst'].flatMap((series) => [
    ratio(series, uws, 'bare uWS', 1.15),
    ratio(series, ws, 'bare uWS', 1.7),
    ratio(series, uws, 'Socket.IO', 0.3),
    ratio(series, uws, 'Centrifugo', 0.5),
  ]),
  ratio('S1 sparse', uws, 'Nchan', 1.1),
  ratio('S1 burst', uws, 'Nchan', 0.5),
  ...['S2 sparse', 'S2 burst'].flatMap((series) => [
    ratio(series, uws, 'bare uWS', 1.3),
    ratio(series, uws, 'Socket.IO', 0.27),
  ]),
  ...acrossNodes('S3 2 nodes, burst', [0.9, 0.5, 0.28]),
  ratio('S3 2 nodes, burst, Redis', noLog, 'Nchan', 0.4),
  ...acrossNodes('S3 2 nodes, sparse', [1.2, 0.55, 0.45]),
  ratio('S3 2 nodes, burst', uws, 'Centrifugo with history', 0.5),
  ratio('S3 2 nodes, burst, Redis', uws, 'Centrifugo with history', 1),
  ratio('S3 2 nodes, sparse', uws, 'Centrifugo with history', 0.5),
  ratio('S3 2 nodes, sparse, Redis', uws, 'Centrifugo with history', 1),
  ratio('S3 4 nodes, burst', noLog, 'Socket.IO', 0.42),
  ratio('S3 4 nodes, sparse', noLog, 'Socket.IO', 0.42),
  figure('S4 memory', uws, 2_500),
  ratio('S4 memory', uws, 'bare uWS', 2.2),
  ratio('S4 memory', uws, 'Socket.IO', 0.17),
  ratio('S4 memory', uws, 'Centrifugo', 0.12),
  figure('S4 CPU', uws, 1),
  figure('S5 commands', uws, 2),
  ratio('S5 Redis', uws, 'presence by script per connection', 0.5),
  figure('S5 p99', uws, 50),
  figure('S5 frames', uws, 8),
  figure('S6 back, jitter windows', uws, 1.3),
  figure('S6 rejoin, handshakes', uws, 2),
  figure('S6 p99 in the storm', uws, 3),
  figure('S6 undetected', uws, 0),
  ...[uws, ws].flatMap((system) => [
    figure('S7 p99 of the others', system, 1.1),
    figure('S7 memory, limits', system, 1.2),
    figure('S7 cut off after the kernel was full', system, 2),
  ]),
  ratio('S8 one node, p99', uws, 'bare uWS', 2),
  ratio('S8 2 nodes, p99', uws, 'Socket.IO', 0.5),
  figure('S9 lost', uws, 0),
  figure('S9 p99 while draining', uws, 2),
  figure('S9 time', uws, 1),
  figure('S10 after a standstill', uws, 2_000),
  figure('S10 after a cut', uws, 2_000),
  figure('S10 undetected', uws, 0),
]
