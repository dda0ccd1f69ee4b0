// The footer as an Ink component. It gets finished rows: what is in them is footer.ts's affair.
import { Box, Text, useCursor, useStdout } from 'ink'
import { useEffect } from 'react'
import type { Rows } from '../input/layout.ts'

/** Prints above the footer, which comes back below. */
export type Print = (text: string) => void

export function Footer({ rows, cursor, onPrint }: Rows & { onPrint(print: Print): void }) {
  const { setCursorPosition } = useCursor()
  const { write } = useStdout()
  useEffect(() => onPrint(write), [write, onPrint])
  setCursorPosition(cursor)
  return (
    <Box flexDirection="column">
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other name than their place
        <Text key={index} wrap="truncate">
          {row === '' ? ' ' : row}
        </Text>
      ))}
    </Box>
  )
}
