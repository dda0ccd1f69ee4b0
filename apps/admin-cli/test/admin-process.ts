// Runs the built pychat-admin as people do.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const adminBin = fileURLToPath(new URL('../bin/pychat-admin.js', import.meta.url))

export type Result = { code: number; stdout: string; stderr: string }

/** Runs it to its end, with nothing on stdin and no other settings than these. */
export function admin(args: readonly string[], env: Record<string, string>): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [adminBin, ...args],
      { env: { PATH: process.env['PATH'], ...env } },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
    child.stdin?.end()
  })
}
