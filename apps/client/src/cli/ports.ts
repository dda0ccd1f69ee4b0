// The world of a command, passed in by main: streams, environment, version.
export type CliPorts = {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  env: NodeJS.ProcessEnv
  version: string
}

/** Whether a person sits there who sees redrawn lines; a screen reader would read them aloud each time. */
export function isInteractive({ stdin, stdout, env }: CliPorts): boolean {
  const terminal = stdin.isTTY === true && stdout.isTTY === true && env['TERM'] !== 'dumb'
  return terminal && env['INK_SCREEN_READER'] !== 'true'
}
