// Loaded into every measured server: SIGUSR2 collects garbage, so that memory figures compare what is really held.
process.on('SIGUSR2', () => {
  globalThis.gc?.()
  globalThis.gc?.()
})
