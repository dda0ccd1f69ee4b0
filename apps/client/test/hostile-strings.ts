// Texts that would do something to a terminal or to a reader's eyes. None may get through the sanitiser as it is.
// Without newlines here, so that each can be typed as one line.

export const hostile: readonly string[] = [
  'clear \x1b[2J\x1b[H screen',
  'title \x1b]0;owned\x07 set',
  'clipboard \x1b]52;c;cm0gLXJmIC8=\x07 write',
  'clipboard st \x1b]52;c;cm0gLXJmIC8=\x1b\\ write',
  'link \x1b]8;;https://evil.example\x07click\x1b]8;;\x07',
  'c1 csi \x9b31mred \x9d0;title\x9c',
  'dcs \x1bP+q544e\x1b\\ apc \x1b_x\x1b\\ pm \x1b^x\x1b\\',
  'lone escape \x1b',
  'back\x08\x08\x08\x08space and \x7f delete',
  'bell \x07 nul \x00 shift \x0e\x0f',
  'override \u202egnp.exe\u202c isolate \u2066x\u2069 embed \u202ax\u202c',
  'marks \u200e\u200f\u061c',
  'zero\u200bwidth\u2060joiner\ufeffbom\u200dand\u200cnon',
  'line\u2028paragraph\u2029separator',
  'tags \u{e0041}\u{e007f} soft\u00adhyphen',
  'private \ue000 \u{f0000} noncharacter \ufffe \u{1ffff}',
  'filler \u3164\u115f\u1160\uffa0\u2800',
  `flood Z${'\u0301\u0489\u0334'.repeat(200)}`,
  'vertical\x0btab form\x0cfeed next\x85line',
]
