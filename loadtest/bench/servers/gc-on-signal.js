// Loaded into every measured Node server. SIGUSR2 collects garbage, so that memory figures compare what is really held;
// SIGALRM ends it in an orderly way, so that Node writes the CPU profile that --profile asks for.
process.on('SIGUSR2', () => {
  globalThis.gc?.()
  globalThis.gc?.()
})
process.on('SIGALRM', () => process.exit(0))
