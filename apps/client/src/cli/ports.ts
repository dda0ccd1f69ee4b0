// The world of a command, passed in by main: streams, environment, version.
export type CliPorts = {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  env: NodeJS.ProcessEnv
  version: string
}

/** Whether a person sits there who sees redrawn lines. */
export function isInteractive({ stdin, stdout, env }: CliPorts): boolean {
  return stdin.isTTY === true && stdout.isTTY === true && env['TERM'] !== 'dumb'
}
