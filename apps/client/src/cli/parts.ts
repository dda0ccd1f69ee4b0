// A long text in as few messages as it takes, cut at line breaks where there are any, else between characters.
import { bodyBytesMax } from '@pychat/crypto'

/** @returns empty when there is nothing but white space in it */
export function partsOf(text: string): string[] {
  const rest = Buffer.from(text.replace(/\r\n/g, '\n').trimEnd())
  const parts: string[] = []
  for (let at = 0; at < rest.length; ) {
    const end = cutAt(rest, at)
    const part = rest.toString('utf8', at, end).replace(/\n+$/, '')
    if (part.trim() !== '') parts.push(part)
    at = end
  }
  return parts
}

/** Where the part that begins at `from` ends: never inside a character (RFC 3629: further bytes are 10xxxxxx). */
function cutAt(bytes: Buffer, from: number): number {
  const limit = from + bodyBytesMax
  if (limit >= bytes.length) return bytes.length
  const lineBreak = bytes.lastIndexOf(0x0a, limit - 1)
  if (lineBreak > from) return lineBreak + 1
  let end = limit
  while (((bytes[end] as number) & 0xc0) === 0x80) end -= 1
  return end
}
