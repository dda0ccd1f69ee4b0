// Named clusters in a file of one's own: where each is asked, and which file holds its token. The file holds no token
// itself. Which of flag, environment and file wins is decided in target.ts.
import { z } from 'zod'
import { type Ports, UsageError } from './ports.ts'

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

const contextSchema = z.strictObject({
  url: z.string().max(2048),
  tokenFile: z.string().max(4096).nullable(),
})
const fileSchema = z.strictObject({
  schema: z.literal(1),
  current: z.string().nullable(),
  contexts: z.record(z.string().regex(nameForm), contextSchema),
})

export type Context = z.infer<typeof contextSchema>
export type Contexts = z.infer<typeof fileSchema>

/** Path of the file: in XDG_CONFIG_HOME, ~/.config, or %APPDATA%. */
export function contextsPath({ env, platform, home }: Pick<Ports, 'env' | 'platform' | 'home'>): string {
  if (platform === 'win32') return `${env['APPDATA'] ?? `${home}\\AppData\\Roaming`}\\pychat\\admin.json`
  return `${env['XDG_CONFIG_HOME'] || `${home}/.config`}/pychat/admin.json`
}

/** @returns no contexts when there is no file  @throws UsageError when there is one that cannot be read */
export function readContexts(ports: Pick<Ports, 'env' | 'platform' | 'home' | 'read'>): Contexts {
  const path = contextsPath(ports)
  let text: string
  try {
    text = ports.read(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code))) {
      return { schema: 1, current: null, contexts: {} }
    }
    throw new UsageError(`${path} cannot be read; check its rights.`)
  }
  try {
    return fileSchema.parse(JSON.parse(text))
  } catch {
    throw new UsageError(`${path} is not as pychat-admin writes it; mend it or move it away.`)
  }
}

/** @throws UsageError when the file cannot be written */
export function writeContexts(ports: Ports, contexts: Contexts): void {
  const path = contextsPath(ports)
  try {
    ports.write(path, `${JSON.stringify(contexts, null, 2)}\n`)
  } catch {
    throw new UsageError(`${path} cannot be written; check the rights of its folder.`)
  }
}

/** @throws UsageError when there is none of that name */
export function contextOf(contexts: Contexts, name: string): Context {
  const context = Object.hasOwn(contexts.contexts, name) ? contexts.contexts[name] : undefined
  if (context === undefined) {
    throw new UsageError(`There is no context of that name; "pychat-admin contexts" lists them.`)
  }
  return context
}

/** @throws UsageError */
export function checkContextName(name: string): string {
  if (!nameForm.test(name)) {
    throw new UsageError('The name of a context is 1 to 64 letters, digits, ".", "_" and "-".')
  }
  return name
}
