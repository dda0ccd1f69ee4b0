// What top shows: totals, a table of nodes, a table of the busiest rooms. Lines of plain text, cut to a screen by the caller
// of `fit`.
import { renderBytes, renderTable } from '../table.ts'
import type { Sample } from './sample.ts'

const rate = (value: number | null): string => (value === null ? '-' : String(value))
const bytes = (value: number | null): string => (value === null ? '-' : `${renderBytes(value)}/s`)
const sum = (values: readonly (number | null)[]): number =>
  Math.round(values.reduce<number>((total, value) => total + (value ?? 0), 0) * 10) / 10

/** @returns lines without newlines */
export function frameOf(sample: Sample, roomsMax: number): string[] {
  const { list, busiest, nodes } = sample
  const connections = sum(list.map((each) => each.connections))
  const out = sum(list.map((each) => each.messagesOutPerSecond))
  const partial = nodes.answered < nodes.asked ? `, ${nodes.asked - nodes.answered} did not answer` : ''
  const head = `${nodes.answered} of ${nodes.asked} nodes${partial}; ${connections} connections, ${busiest.length}${busiest.length === 100 ? ' or more' : ''} rooms, ${out} messages/s delivered`
  const nodeTable = renderTable(
    [
      'NODE',
      'STATE',
      'CONNECTIONS',
      'ROOMS',
      'IN/S',
      'OUT/S',
      'BYTES IN',
      'BYTES OUT',
      'CPU',
      'MEMORY',
      'LAG',
    ],
    list.map((node) => [
      node.node,
      node.state,
      String(node.connections),
      String(node.rooms),
      rate(node.messagesInPerSecond),
      rate(node.messagesOutPerSecond),
      bytes(node.bytesInPerSecond),
      bytes(node.bytesOutPerSecond),
      node.cpuPercent === null ? '-' : `${Math.round(node.cpuPercent)}%`,
      renderBytes(node.memoryBytes),
      `${Math.round(node.loopLagMs)} ms`,
    ]),
  )
  const roomTable = renderTable(
    ['ROOM', 'USERS', 'NODES', 'MESSAGES/S'],
    busiest
      .slice(0, roomsMax)
      .map((room) => [room.short, String(room.users), String(room.nodes), rate(room.messagesPerSecond)]),
  )
  const lines = (table: string): string[] => table.trimEnd().split('\n')
  return [
    head,
    '',
    ...lines(nodeTable),
    '',
    ...(busiest.length === 0 ? ['No rooms in use.'] : lines(roomTable)),
  ]
}

/** As many lines and columns as a screen has. */
export function fit(lines: readonly string[], columns: number, rows: number): string[] {
  return lines.slice(0, Math.max(1, rows)).map((line) => line.slice(0, Math.max(1, columns)))
}
