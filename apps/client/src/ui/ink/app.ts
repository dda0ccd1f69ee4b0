// The footer as an Ink component. It gets finished rows: what is in them is footer.ts's affair.
import { Box, Text, useCursor, useStdout } from 'ink'
import { createElement, type ReactElement, useEffect } from 'react'
import type { Rows } from '../input/layout.ts'

/** Prints above the footer, which comes back below. */
export type Print = (text: string) => void

export function Footer({ rows, cursor, onPrint }: Rows & { onPrint(print: Print): void }): ReactElement {
  const { setCursorPosition } = useCursor()
  const { write } = useStdout()
  useEffect(() => onPrint(write), [write, onPrint])
  setCursorPosition(cursor)
  const texts = rows.map((row, key) => createElement(Text, { key, wrap: 'truncate' }, row === '' ? ' ' : row))
  return createElement(Box, { flexDirection: 'column' }, texts)
}
