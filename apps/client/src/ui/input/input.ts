// The input line as a pure reducer: a state and a key give the next state and what has to be done. Readline's keys,
// history, several lines, completion, a question before a long paste, one draft for each conversation.
import type { Sources } from '../../chat/screen.ts'
import { type Offer, offersAt } from './complete.ts'
import * as edit from './editor.ts'
import { type Draft, emptyDraft } from './editor.ts'
import type { Key } from './keys.ts'

/** Asked about above so many lines. */
export const pasteLinesMax = 3
/** A draft of more characters could never be sent. */
export const draftCharactersMax = 16_000
const historyMax = 500

export type Effect =
  | { do: 'send'; text: string }
  /** Ctrl-D on an empty line. */
  | { do: 'end' }
  /** The second Ctrl-C. */
  | { do: 'interrupt' }
  | { do: 'suspend' }
  | { do: 'redraw' }
  | { do: 'bell' }
  /** To the conversation of this number, or the next with news. */
  | { do: 'go'; to: number | 'next' }
  | { do: 'focus'; here: boolean }

export type InputState = {
  /** Key of the conversation that the draft is for. */
  readonly view: string
  readonly draft: Draft
  /** Drafts of the other conversations. */
  readonly drafts: Readonly<Record<string, Draft>>
  readonly history: readonly string[]
  /** Where in the history we look; null: at the draft itself, which `kept` holds meanwhile. */
  readonly place: number | null
  readonly kept: Draft
  readonly killed: string
  /** A long paste that waits for an answer. */
  readonly paste: { text: string; lines: number } | null
  /** Candidates that Tab goes through, and which is shown. */
  readonly offer: (Offer & { index: number }) | null
  /** Ctrl-C was pressed once. */
  readonly interrupted: boolean
}

export type Step = { state: InputState; effects: Effect[] }

export function createInput(view = ''): InputState {
  return {
    view,
    draft: emptyDraft,
    drafts: {},
    history: [],
    place: null,
    kept: emptyDraft,
    killed: '',
    paste: null,
    offer: null,
    interrupted: false,
  }
}

/** Keeps the draft of the conversation that is left, and takes up the other's. */
export function switchDraft(state: InputState, view: string): InputState {
  if (view === state.view) return state
  const { [view]: draft = emptyDraft, ...others } = state.drafts
  const drafts = state.draft.text === '' ? others : { ...others, [state.view]: state.draft }
  return { ...state, view, draft, drafts, place: null, offer: null, paste: null, interrupted: false }
}

/** A conversation has another name now: its draft follows. */
export function renameDraft(state: InputState, from: string, to: string): InputState {
  if (state.view === from) return { ...state, view: to }
  const { [from]: draft, ...others } = state.drafts
  return draft === undefined ? state : { ...state, drafts: { ...others, [to]: draft } }
}

export function press(before: InputState, key: Key, sources: Sources): Step {
  if (key.kind === 'key' && (key.name === 'focus' || key.name === 'blur')) {
    return { state: before, effects: [{ do: 'focus', here: key.name === 'focus' }] }
  }
  if (before.paste !== null) return answerPaste(before, before.paste, key)
  if (key.kind === 'key' && (key.name === 'tab' || key.name === 'shift-tab')) {
    return complete(before, key.name === 'tab' ? 1 : -1, sources)
  }
  const state = { ...before, offer: null, interrupted: false }
  if (key.kind === 'text') return write(state, key.text)
  if (key.kind === 'paste') return paste(state, key.text)
  if (key.name === 'ctrl-c') return interrupt(before)
  return named(state, key.name)
}

const only = (state: InputState, ...effects: Effect[]): Step => ({ state, effects })

function write(state: InputState, text: string): Step {
  if (state.draft.text.length + text.length > draftCharactersMax) return only(state, { do: 'bell' })
  return only({ ...state, draft: edit.insert(state.draft, text) })
}

function paste(state: InputState, text: string): Step {
  if (text === '') return only(state)
  const lines = text.replace(/\n+$/, '').split('\n').length
  if (lines > pasteLinesMax) return only({ ...state, paste: { text: text.replace(/\n+$/, ''), lines } })
  // A pasted line break is text: it never sends. The last one would only be in the way.
  return write(state, text.replace(/\n$/, ''))
}

function answerPaste(state: InputState, { text }: { text: string }, key: Key): Step {
  const name = key.kind === 'key' ? key.name : ''
  const asked = { ...state, paste: null }
  if (name === 'enter') {
    const { draft } =
      edit.insert(asked.draft, text).text.length > draftCharactersMax ? asked : written(asked, text)
    return draft === asked.draft ? only(asked, { do: 'bell' }) : send({ ...asked, draft })
  }
  if (name === 'escape' || name === 'ctrl-c' || name === 'ctrl-g') return only(asked)
  return only(state, { do: 'bell' })
}

function written(state: InputState, text: string): InputState {
  return { ...state, draft: edit.insert(state.draft, text) }
}

function interrupt(state: InputState): Step {
  if (state.interrupted) return only(state, { do: 'interrupt' })
  return only({ ...state, draft: emptyDraft, place: null, offer: null, interrupted: true })
}

function send(state: InputState): Step {
  const { text } = state.draft
  if (text.trim() === '') return only({ ...state, draft: emptyDraft, place: null })
  const history = state.history.at(-1) === text ? state.history : [...state.history, text].slice(-historyMax)
  return only({ ...state, draft: emptyDraft, history, place: null }, { do: 'send', text })
}

function enter(state: InputState): Step {
  const { text, cursor } = state.draft
  // A backslash at the end asks for one more line.
  if (text[cursor - 1] === '\\' && cursor === text.length) {
    return only({ ...state, draft: edit.insert(edit.backspace(state.draft), '\n') })
  }
  return send(state)
}

function look(state: InputState, step: -1 | 1): Step {
  const inDraft = edit.lineMove(state.draft, step)
  if (inDraft !== null) return only({ ...state, draft: inDraft })
  const { history, place } = state
  const next = (place ?? history.length) + step
  if (next < 0 || next > history.length || (place === null && step > 0)) return only(state)
  const kept = place === null ? state.draft : state.kept
  const text = history[next]
  if (text === undefined) return only({ ...state, draft: kept, place: null })
  return only({ ...state, draft: { text, cursor: text.length }, place: next, kept })
}

function complete(state: InputState, step: 1 | -1, sources: Sources): Step {
  const calm = { ...state, interrupted: false }
  if (calm.offer !== null) {
    const { items, index } = calm.offer
    return only(shown(calm, calm.offer, (index + step + items.length) % items.length))
  }
  const offer = offersAt(calm.draft, sources)
  return offer.items.length === 0 ? only(calm, { do: 'bell' }) : only(shown(calm, offer, 0))
}

function shown(state: InputState, offer: Offer, index: number): InputState {
  const { text } = state.draft
  const item = offer.items[index] ?? ''
  const draft = {
    text: text.slice(0, offer.from) + item + text.slice(offer.to),
    cursor: offer.from + item.length,
  }
  if (draft.text.length > draftCharactersMax) return state
  return { ...state, draft, offer: { ...offer, to: offer.from + item.length, index } }
}

const moves: Record<string, (draft: Draft) => Draft> = {
  left: edit.left,
  'ctrl-b': edit.left,
  right: edit.right,
  'ctrl-f': edit.right,
  'word-left': edit.wordLeft,
  'alt-b': edit.wordLeft,
  'word-right': edit.wordRight,
  'alt-f': edit.wordRight,
  home: edit.lineStart,
  'ctrl-a': edit.lineStart,
  end: edit.lineEnd,
  'ctrl-e': edit.lineEnd,
  backspace: edit.backspace,
  'ctrl-h': edit.backspace,
  delete: edit.deleteForward,
  'ctrl-t': edit.swap,
}

const kills: Record<string, (draft: Draft) => edit.Cut> = {
  'ctrl-k': edit.killToEnd,
  'ctrl-u': edit.killToStart,
  'ctrl-w': edit.killWordBack,
  'alt-backspace': edit.killWordLeft,
  'alt-d': edit.killWordRight,
}

function named(state: InputState, name: string): Step {
  const move = moves[name]
  if (move) return only({ ...state, draft: move(state.draft) })
  const kill = kills[name]
  if (kill) {
    const { draft, cut } = kill(state.draft)
    return only({ ...state, draft, killed: cut === '' ? state.killed : cut })
  }
  if (/^alt-[1-9]$/.test(name)) return only(state, { do: 'go', to: Number(name.slice(4)) })
  switch (name) {
    case 'enter':
      return enter(state)
    case 'newline':
      return write(state, '\n')
    case 'up':
    case 'ctrl-p':
      return look(state, -1)
    case 'down':
    case 'ctrl-n':
      return look(state, 1)
    case 'ctrl-y':
      return write(state, state.killed)
    case 'ctrl-d':
      return state.draft.text === ''
        ? only(state, { do: 'end' })
        : only({ ...state, draft: edit.deleteForward(state.draft) })
    case 'ctrl-l':
      return only(state, { do: 'redraw' })
    case 'ctrl-z':
      return only(state, { do: 'suspend' })
    case 'alt-a':
      return only(state, { do: 'go', to: 'next' })
    default:
      return only(state)
  }
}
