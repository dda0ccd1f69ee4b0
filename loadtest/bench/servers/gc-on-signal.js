// Loaded into every measured Node server. SIGUSR2 collects garbage and gives free pages back, so that memory figures compare
// what is really held; SIGALRM ends it in an orderly way, so that Node writes the CPU profile that --profile asks for.
const everything = { type: 'major', execution: 'sync', flavor: 'last-resort' }
process.on('SIGUSR2', () => globalThis.gc?.(everything))
process.on('SIGALRM', () => process.exit(0))
