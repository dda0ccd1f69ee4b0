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
]
