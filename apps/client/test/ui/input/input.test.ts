// The input line as a pure reducer: keys in, drafts and effects out.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { graphemesOf } from '../../../src/ui/input/editor.ts'
import {
  createInput,
  draftCharactersMax,
  type Effect,
  type InputState,
  press,
  renameDraft,
  switchDraft,
} from '../../../src/ui/input/input.ts'
import type { Key } from '../../../src/ui/input/keys.ts'

const sources = { names: ['Bob', 'Bobby', 'Ann Lee', 'Özgür'], channels: ['dev', 'design'] }

type Pressed = { state: InputState; effects: Effect[] }

/** @param keys texts as they are, key names in angle brackets */
function type(keys: string, from: InputState = createInput()): Pressed {
  const parts = keys.match(/<[a-z0-9-]+>|[^<]+/g) ?? []
  return parts.reduce<Pressed>(
    ({ state, effects }, part) => {
      const key: Key = part.startsWith('<')
        ? { kind: 'key', name: part.slice(1, -1) }
        : { kind: 'text', text: part }
      const step = press(state, key, sources)
      return { state: step.state, effects: [...effects, ...step.effects] }
    },
    { state: from, effects: [] },
  )
}
const paste = (text: string, from = createInput()) => press(from, { kind: 'paste', text }, sources)
/** The draft with a bar at the cursor. */
const shown = ({ state }: Pressed) =>
  `${state.draft.text.slice(0, state.draft.cursor)}|${state.draft.text.slice(state.draft.cursor)}`

describe('readline keys', () => {
  it.each([
    ['abc<ctrl-a>x', 'x|abc'],
    ['abc<home><ctrl-e>x', 'abcx|'],
    ['abc<ctrl-b><left><ctrl-f>x', 'abx|c'],
    ['one two three<alt-b><alt-b>', 'one |two three'],
    ['one two<home><alt-f>', 'one| two'],
    ['one two<ctrl-w>', 'one |'],
    ['one two<ctrl-w><ctrl-y><ctrl-y>', 'one twotwo|'],
    ['one two<ctrl-u>', '|'],
    ['one two<alt-b><ctrl-u>', '|two'],
    ['one two<alt-b><ctrl-k>', 'one |'],
    ['one two<home><alt-d>', '| two'],
    ['foo.bar<alt-backspace>', 'foo.|'],
    ['abc<left><ctrl-d>', 'ab|'],
    ['abc<home><delete>', '|bc'],
    ['abc<backspace>', 'ab|'],
    ['ab<ctrl-t>', 'ba|'],
    ['one<newline>two<ctrl-a>x', 'one\nx|two'],
    ['one<newline>two<up>x', 'onex|\ntwo'],
    ['one<newline>two<home><ctrl-k><ctrl-u>', 'one|'],
    ['one\\<enter>two', 'one\ntwo|'],
  ])('%s gives %j', (keys, draft) => {
    expect(shown(type(keys))).toBe(draft)
  })

  it('move over what a person sees as one character', () => {
    for (const one of ['👩‍👩‍👧‍👦', '🇫🇷', 'e\u0301', '👍🏽']) {
      expect(shown(type(`a${one}b<left><left>`))).toBe(`a|${one}b`)
      expect(shown(type(`a${one}b<left><backspace>`))).toBe('a|b')
    }
  })

  it('leave the cursor between two characters, whatever is pressed', () => {
    const names =
      'left right home end up down backspace delete ctrl-k ctrl-u ctrl-w ctrl-y ctrl-t alt-b alt-f alt-d newline tab'
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom(...names.split(' ')).map((name) => `<${name}>`),
            fc.constantFrom('a', ' ', '👩‍👧', '日本', 'x y'),
          ),
        ),
        (keys) => {
          const { draft } = type(keys.join('')).state
          const before = draft.text.slice(0, draft.cursor)
          expect(draft.cursor).toBeGreaterThanOrEqual(0)
          expect(draft.cursor).toBeLessThanOrEqual(draft.text.length)
          expect([...graphemesOf(before), ...graphemesOf(draft.text.slice(draft.cursor))].join('')).toBe(
            draft.text,
          )
        },
      ),
    )
  })
})

describe('sending and leaving', () => {
  it('sends at Enter, keeps it in the history, and sends nothing when there is nothing', () => {
    const { state, effects } = type('hello<enter>  <enter>')
    expect(effects).toEqual([{ do: 'send', text: 'hello' }])
    expect(state.draft.text).toBe('')
    expect(shown(type('<up>', state))).toBe('hello|')
    expect(shown(type('draft<up><up><down>', state))).toBe('draft|')
  })

  it('goes back through the history and does not forget the draft', () => {
    const { state } = type('one<enter>two<enter>two<enter>')
    expect(state.history).toEqual(['one', 'two'])
    expect(shown(type('new<up><up><up>', state))).toBe('one|')
    expect(shown(type('new<up><up><down><down>', state))).toBe('new|')
  })

  it('clears at the first Ctrl-C and leaves at the second, unless something was pressed between', () => {
    const once = type('never mind<ctrl-c>')
    expect(shown(once)).toBe('|')
    expect(once.effects).toEqual([])
    expect(once.state.interrupted).toBe(true)
    expect(type('<ctrl-c>', once.state).effects).toEqual([{ do: 'interrupt' }])
    expect(type('a<ctrl-c>', once.state).effects).toEqual([])
  })

  it('leaves at Ctrl-D on an empty line only', () => {
    expect(type('<ctrl-d>').effects).toEqual([{ do: 'end' }])
    expect(type('a<ctrl-d>').effects).toEqual([])
  })

  it('asks for other conversations, for a pause and for a new picture', () => {
    expect(type('<alt-3><alt-a><ctrl-z><ctrl-l><blur>').effects).toEqual([
      { do: 'go', to: 3 },
      { do: 'go', to: 'next' },
      { do: 'suspend' },
      { do: 'redraw' },
      { do: 'focus', here: false },
    ])
  })

  it('takes no more than can be sent', () => {
    const full = type('x'.repeat(draftCharactersMax))
    expect(full.effects).toEqual([])
    expect(type('y', full.state)).toMatchObject({
      effects: [{ do: 'bell' }],
      state: { draft: full.state.draft },
    })
  })
})

describe('a paste', () => {
  it('of up to three lines becomes part of the draft and sends nothing', () => {
    const step = paste('one\ntwo\nthree\n', type('> ').state)
    expect(shown(step)).toBe('> one\ntwo\nthree|')
    expect(step.effects).toEqual([])
  })

  it('of more lines is asked about; Enter sends it as one message, with the draft around it', () => {
    const asked = paste('1\n2\n3\n4\n5\n', type('log:  end<alt-b><left>').state)
    expect(asked.state.paste).toEqual({ text: '1\n2\n3\n4\n5', lines: 5 })
    expect(asked.effects).toEqual([])
    expect(asked.state.draft.text).toBe('log:  end')
    const sent = type('<enter>', asked.state)
    expect(sent.effects).toEqual([{ do: 'send', text: 'log: 1\n2\n3\n4\n5 end' }])
    expect(sent.state).toMatchObject({ paste: null, draft: { text: '' } })
  })

  it('is dropped with Escape, and no other key does anything meanwhile', () => {
    const asked = paste('1\n2\n3\n4', type('draft').state)
    expect(type('abc', asked.state)).toMatchObject({ state: asked.state, effects: [{ do: 'bell' }] })
    const dropped = type('<escape>', asked.state)
    expect(dropped.state).toMatchObject({ paste: null, draft: { text: 'draft' } })
    expect(type('<ctrl-c>', asked.state).state).toMatchObject({ paste: null, draft: { text: 'draft' } })
  })

  it('that no message could hold is refused', () => {
    const asked = paste('line\n'.repeat(10_000))
    expect(type('<enter>', asked.state)).toMatchObject({
      effects: [{ do: 'bell' }],
      state: { draft: { text: '' } },
    })
  })
})

describe('drafts', () => {
  it('stay with their conversation, also when it gets another name', () => {
    const room = type('for the room').state
    const dev = type('for dev', switchDraft(room, '#dev')).state
    const back = switchDraft(dev, '')
    expect(back.draft).toEqual({ text: 'for the room', cursor: 12 })
    expect(switchDraft(renameDraft(back, '#dev', '#development'), '#development').draft.text).toBe('for dev')
    expect(renameDraft(dev, '#dev', '#x')).toMatchObject({ view: '#x', draft: { text: 'for dev' } })
  })
})

describe('completion', () => {
  it.each([
    ['bo<tab>', 'Bob: |'],
    ['bo<tab><tab>', 'Bobby: |'],
    ['bo<tab><tab><tab>', 'Bob: |'],
    ['bo<tab><tab><shift-tab>', 'Bob: |'],
    ['hi bo<tab>', 'hi Bob |'],
    ['hi @bobb<tab>', 'hi Bobby |'],
    ['<tab>', 'Bob: |'],
    ['öz<tab>', 'Özgür: |'],
    ['see #de<tab>', 'see #dev |'],
    ['see #de<tab><tab>', 'see #design |'],
    ['/us<tab>', '/users |'],
    ['/msg a<tab>', '/msg "Ann Lee" |'],
    ['/kick bobb<tab>', '/kick Bobby |'],
    ['/verify Bob o<tab>', '/verify Bob ok|'],
    ['/verify "Ann Lee" n<tab>', '/verify "Ann Lee" no|'],
    ['/join de<tab>', '/join #dev |'],
    ['/go #des<tab>', '/go #design |'],
    ['/go @<tab>', '/go @Bob|'],
    ['/help ba<tab>', '/help back|'],
    ['/ban Bob --<tab>', '/ban Bob --for |'],
    ['/history o<tab><tab>', '/history off|'],
    ['//us<tab>', '//us|'],
    ['nobody<tab>', 'nobody|'],
  ])('%s gives %j', (keys, draft) => {
    expect(shown(type(keys))).toBe(draft)
  })
})
