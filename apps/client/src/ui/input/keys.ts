// Bytes of a terminal in raw mode, already text, as keys: what xterm and its kin send, with bracketed paste and Alt.
// Works over any cut into chunks. What a key does is input.ts's affair.

export type Key =
  | { kind: 'text'; text: string }
  /** Pasted text, line breaks as \n; it may hold anything else. */
  | { kind: 'paste'; text: string }
  /** 'enter', 'newline' (Alt-Enter and kin), arrows, 'ctrl-a', 'alt-b', 'alt-1', 'focus', 'blur' and so on. */
  | { kind: 'key'; name: string }

/** More of one paste is dropped; far above any message. */
export const pasteCharactersMax = 65_536

const escapeByte = '\x1b'
const pasteBegin = '\x1b[200~'
const pasteEnd = '\x1b[201~'

const byCode: Record<string, string> = {
  '\r': 'enter',
  '\n': 'newline',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\x1f': 'undo',
}

const byLetter: Record<string, string> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  Z: 'shift-tab',
  I: 'focus',
  O: 'blur',
}

const byNumber: Record<string, string> = {
  1: 'home',
  3: 'delete',
  4: 'end',
  5: 'page-up',
  6: 'page-down',
  7: 'home',
  8: 'end',
}

export type KeyDecoder = {
  push(chunk: string): Key[]
  /** What is open: a lone Escape is known as such only when nothing follows it; a paste ends only with its mark. */
  waiting(): 'escape' | 'paste' | null
  /** Takes what is open for complete. */
  flush(): Key[]
}

export function createKeyDecoder(): KeyDecoder {
  let rest = ''
  let pasted: string | null = null

  /** @returns how much of `text` was eaten; 0: not enough there yet */
  function take(text: string, out: Key[]): number {
    if (pasted !== null) return takePaste(text, out)
    if (text.startsWith(pasteBegin)) {
      pasted = ''
      return pasteBegin.length
    }
    if (text[0] === escapeByte) return takeEscape(text, out)
    const plain = /^[^\x00-\x1f\x7f]+/.exec(text)?.[0]
    if (plain !== undefined) {
      out.push({ kind: 'text', text: plain })
      return plain.length
    }
    const name = controlName(text[0] ?? '')
    if (name !== null) out.push({ kind: 'key', name })
    return 1
  }

  function takePaste(text: string, out: Key[]): number {
    const end = text.indexOf(pasteEnd)
    // The mark itself may be cut.
    const size = end < 0 ? Math.max(0, text.length - pasteEnd.length + 1) : end
    pasted = ((pasted ?? '') + text.slice(0, size)).slice(0, pasteCharactersMax)
    if (end < 0) return size
    out.push(pasteKey(pasted))
    pasted = null
    return end + pasteEnd.length
  }

  return {
    push(chunk) {
      const out: Key[] = []
      rest += chunk
      while (rest !== '') {
        const size = take(rest, out)
        if (size === 0) break
        rest = rest.slice(size)
      }
      return out
    },
    waiting: () => (pasted !== null ? 'paste' : rest === '' ? null : 'escape'),
    flush() {
      const out: Key[] = []
      if (pasted !== null) out.push(pasteKey(pasted + rest))
      else if (rest !== '') out.push({ kind: 'key', name: 'escape' })
      pasted = null
      rest = ''
      return out
    },
  }
}

function pasteKey(text: string): Key {
  return { kind: 'paste', text: text.replace(/\r\n?/g, '\n') }
}

function controlName(character: string): string | null {
  const known = byCode[character]
  if (known !== undefined) return known
  const code = character.charCodeAt(0)
  return code >= 1 && code <= 26 ? `ctrl-${String.fromCharCode(code + 96)}` : null
}

/** @returns how much was eaten, 0 when the sequence is not complete */
function takeEscape(text: string, out: Key[]): number {
  const second = text[1]
  if (second === undefined) return 0
  if (second === '[') {
    const whole = /^\x1b\[([\x30-\x3f]*)[\x20-\x2f]*([\x40-\x7e])/.exec(text)
    if (whole) {
      const name = csiName(whole[1] ?? '', whole[2] ?? '')
      if (name !== null) out.push({ kind: 'key', name })
      return whole[0].length
    }
    // Not a sequence any more, or one without end: drop its beginning.
    if (/^\x1b\[[\x20-\x3f]*$/.test(text) && text.length < 32) return 0
    return 2
  }
  if (second === 'O') {
    const third = text[2]
    if (third === undefined) return 0
    const name = byLetter[third]
    if (name !== undefined && third !== 'I' && third !== 'O') out.push({ kind: 'key', name })
    return 3
  }
  if (second === escapeByte) {
    // Alt with a key that is a sequence itself, or Escape pressed twice.
    out.push({ kind: 'key', name: 'escape' })
    return 1
  }
  if (second === '\r' || second === '\n') out.push({ kind: 'key', name: 'newline' })
  else if (second === '\x7f' || second === '\b') out.push({ kind: 'key', name: 'alt-backspace' })
  else if (/[\x20-\x7e]/.test(second)) out.push({ kind: 'key', name: `alt-${second.toLowerCase()}` })
  return 2
}

function csiName(parameters: string, final: string): string | null {
  const [first = '', second = ''] = parameters.split(';')
  // Modifiers are a bit field plus one: 1 shift, 2 alt, 4 control.
  const modifiers = Math.max(0, Number.parseInt(second, 10) - 1 || 0)
  if (final === 'u' || (final === '~' && first === '27')) {
    const code = final === 'u' ? first : parameters.split(';')[2]
    return code === '13' ? (modifiers === 0 ? 'enter' : 'newline') : null
  }
  const name = final === '~' ? byNumber[first] : byLetter[final]
  if (name === undefined) return null
  if ((modifiers & 6) !== 0 && (name === 'left' || name === 'right')) return `word-${name}`
  return name
}
