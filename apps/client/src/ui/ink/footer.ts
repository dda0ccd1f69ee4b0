// What stands under the conversation, as rows of text: what is not sent yet, how things are, and the prompt with the
// draft. Pure; never taller than the window minus two, or the terminal's scrollback would be wiped.
import type { PendingLine, Status, ViewLine } from '../../chat/screen.ts'
import { sanitiseLine, sanitiseName } from '../../sanitise.ts'
import type { InputState } from '../input/input.ts'
import { fit, layoutDraft, type Rows } from '../input/layout.ts'
import type { Paint } from '../text/paint.ts'

const pendingRowsMax = 4
const draftRowsMax = 10
/** Of a pending message so much is looked at. */
const pendingCharactersMax = 400
const promptCharactersMax = 40

export type FooterSize = { columns: number; rows: number }

/** @param now milliseconds since 1970, for the next try to connect */
export function footer(
  status: Status,
  input: InputState,
  { columns, rows }: FooterSize,
  now: number,
  paint: Paint,
): Rows {
  const width = Math.max(1, columns - 1)
  const height = Math.max(1, rows - 2)
  const draft = draftRows(status, input, columns, Math.max(1, Math.min(draftRowsMax, height - 1)))
  const above: string[] = []
  if (height > draft.rows.length) above.push(statusRow(status, input, width, now, paint))
  const left = Math.min(pendingRowsMax, height - draft.rows.length - above.length)
  above.unshift(...pendingRows(status.pending, left, width, paint))
  return {
    rows: [...above, ...draft.rows],
    cursor: { x: draft.cursor.x, y: draft.cursor.y + above.length },
  }
}

function draftRows(status: Status, { draft, paste }: InputState, columns: number, rowsMax: number): Rows {
  if (paste !== null) {
    const question = `Paste ${paste.lines} lines? Enter sends as one message, Esc drops `
    return layoutDraft('', { text: question, cursor: question.length }, columns, rowsMax)
  }
  return layoutDraft(`${fit(sanitiseName(status.prompt), promptCharactersMax)}> `, draft, columns, rowsMax)
}

function statusRow(status: Status, input: InputState, width: number, now: number, paint: Paint): string {
  if (input.interrupted) return paint.style('strong', fit('Press Ctrl-C again to leave.', width))
  if (input.offer !== null && input.offer.items.length > 1) {
    const items = input.offer.items.slice(0, 20).map((item) => sanitiseName(item.trim()))
    return paint.style('quiet', fit(`${items.join('  ')}  (Tab: the next)`, width))
  }
  const { text, calm } = connectionText(status, now)
  const parts = [
    text,
    ...(status.away ? ['you are away'] : []),
    ...(status.people === null ? [] : [status.people === 1 ? '1 person' : `${status.people} people`]),
    ...viewsText(status.views),
  ]
  const calls = status.views.some((view) => view.calls > 0 && !view.current)
  const style = !calm ? 'warning' : calls ? 'strong' : 'quiet'
  return paint.style(style, fit(parts.join(' | '), width))
}

function connectionText({ connection, retryAt }: Status, now: number): { text: string; calm: boolean } {
  switch (connection) {
    case 'online':
      return { text: 'online', calm: true }
    case 'connecting':
      return { text: 'connecting', calm: true }
    case 'degraded':
      return { text: 'the relay cannot take messages now', calm: false }
    case 'offline': {
      const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000)
      return { text: seconds > 0 ? `offline, next try in ${seconds} s` : 'offline, trying', calm: false }
    }
  }
}

/** Every open conversation, when there is more than one: its number, and what is unread. "!" calls. */
function viewsText(views: readonly ViewLine[]): string[] {
  if (views.length < 2 && !views.some(({ unread }) => unread > 0)) return []
  const shown = views.map(({ number, label, unread, calls, current }) => {
    const news = unread > 0 ? ` (${unread}${calls > 0 ? '!' : ''})` : ''
    const one = `${number} ${fit(sanitiseName(label), 16)}${news}`
    return current ? `[${one}]` : one
  })
  return [shown.join('  ')]
}

function pendingRows(
  pending: readonly PendingLine[],
  rowsMax: number,
  width: number,
  paint: Paint,
): string[] {
  if (rowsMax <= 0 || pending.length === 0) return []
  // What failed has to be seen first.
  const sorted = [
    ...pending.filter(({ state }) => state === 'failed'),
    ...pending.filter(({ state }) => state !== 'failed'),
  ]
  const shown = sorted.slice(0, sorted.length > rowsMax ? rowsMax - 1 : rowsMax)
  const rows = shown.map((line) => pendingRow(line, width, paint))
  const more = sorted.length - shown.length
  if (more > 0) rows.push(paint.style('quiet', fit(`… and ${more} more not sent yet`, width)))
  return rows
}

function pendingRow({ id, label, text, state, note }: PendingLine, width: number, paint: Paint): string {
  const where = label === null ? '' : `[${sanitiseName(label)}] `
  const said = sanitiseLine(text.slice(0, pendingCharactersMax).replace(/\s+/g, ' '))
  if (state === 'failed') {
    const why = ` - NOT SENT: ${sanitiseLine(note)} /retry ${id}`
    const kept = fit(`${where}${said}`, Math.max(8, Math.floor(width / 3)))
    return paint.style('warning', fit(`✗ ${kept}${why}`, width))
  }
  const why = state === 'late' ? ' (not sent yet)' : state === 'waiting' ? ` (${sanitiseLine(note)})` : ''
  const kept = why === '' ? `${where}${said}` : fit(`${where}${said}`, Math.max(8, width - 2 - why.length))
  return paint.style('quiet', fit(`… ${kept}${why}`, width))
}
