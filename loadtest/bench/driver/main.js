// A driver process: carries out what control.js asks for, one request at a time, and answers over IPC.
import { DrivenRooms } from './rooms.js'

const driven = new DrivenRooms()
const deeds = {
  open: (request) => driven.open(request),
  window: (request) => driven.window(request),
  close: () => driven.close(),
}

process.on('message', async ({ id, deed, request }) => {
  try {
    const result = await deeds[deed](request)
    process.send({ id, result })
  } catch (error) {
    process.send({ id, error: error instanceof Error ? error.message : String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
process.send({ id: 0 })
