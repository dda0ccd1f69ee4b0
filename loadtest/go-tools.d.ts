export type GoTool = { name: string; module: string; flags: string }
export const toolsFolder: string
export function builtTool(tool: GoTool): string | null
export function buildTool(tool: GoTool): string
