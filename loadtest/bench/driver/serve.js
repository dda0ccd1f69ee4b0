// The driver's end of its line to the bench: carries out one deed at a time and answers with its result (control.js asks).

/** @param deeds name -> what it does with a request; says that it is ready at once, and ends with its parent */
export function serve(deeds) {
  process.on('message', async ({ id, deed, request }) => {
    try {
      process.send({ id, result: await deeds[deed](request) })
    } catch (error) {
      process.send({ id, error: error instanceof Error ? error.message : String(error) })
    }
  })
  process.on('disconnect', () => process.exit(0))
  process.send({ id: 0 })
}
