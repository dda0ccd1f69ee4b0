// Loaded into every measured Node server. SIGUSR2 collects garbage and gives free pages back, so that memory figures compare
// what is really held; SIGALRM ends it in an orderly way, so that Node writes the CPU profile that --profile asks for.
const andGivePagesBack = { type: 'major', execution: 'sync', flavor: 'last-resort' }
process.on('SIGUSR2', () => {
  // The one that gives pages back leaves megabytes of buffers that nothing points to; the plain one does not.
  globalThis.gc?.()
  globalThis.gc?.(andGivePagesBack)
})
process.on('SIGALRM', () => process.exit(0))
