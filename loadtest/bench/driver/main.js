// A driver process: carries out what control.js asks for, one request at a time, and answers over IPC.
import { DrivenRooms } from './rooms.js'
import { serve } from './serve.js'

const driven = new DrivenRooms()
const deeds = {
  open: (request) => driven.open(request),
  window: (request) => driven.window(request),
  close: () => driven.close(),
}

serve(deeds)
