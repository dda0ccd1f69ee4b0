// Starts the screen of a terminal. Ink and React read process.env when they are loaded: here they find what fits a
// program that people use, whatever their shell says (CI would keep Ink from drawing, DEV would call a debugger).
import type { Screen } from '../chat/screen.ts'
import { colourDepth, createPaint } from './text/paint.ts'

const forInk = { CI: 'false', CONTINUOUS_INTEGRATION: 'false', DEV: 'false', NODE_ENV: 'production' }

/** @param prompt before the cursor, until the chat says where text goes */
export async function createTerminalScreen(
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  env: NodeJS.ProcessEnv,
  prompt: string,
): Promise<Screen> {
  const before = Object.keys(forInk).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, forInk)
  try {
    const { createInkScreen } = await import('./ink/screen.ts')
    return createInkScreen({ input, output, env, paint: createPaint(colourDepth(env)), prompt })
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}
