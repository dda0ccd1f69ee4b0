// Looks through the whole memory of a running process for a text, as strings and as UTF-8 bytes. Linux alone shows a process's memory to its parent.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const chunkBytes = 4 * 1024 * 1024

/** @returns whether the text is anywhere in the process's memory */
export function memoryHolds(pid: number, text: string): boolean {
  const needles = [Buffer.from(text, 'utf8'), Buffer.from(text, 'utf16le')]
  const overlap = Math.max(...needles.map((needle) => needle.length))
  const handle = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to, rights] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
      if (!from || !to || !rights?.startsWith('r') || line.endsWith('[vvar]')) continue
      const end = Number(`0x${to}`)
      for (let at = Number(`0x${from}`); at < end; at += chunkBytes - overlap) {
        const chunk = readChunk(handle, at, Math.min(chunkBytes, end - at))
        if (chunk === null) break
        if (needles.some((needle) => chunk.includes(needle))) return true
        if (at + chunkBytes >= end) break
      }
    }
    return false
  } finally {
    closeSync(handle)
  }
}

/** null: the mapping went away, or cannot be read. */
function readChunk(handle: number, at: number, bytes: number): Buffer | null {
  const chunk = Buffer.alloc(bytes)
  try {
    return chunk.subarray(0, readSync(handle, chunk, 0, bytes, at))
  } catch {
    return null
  }
}
