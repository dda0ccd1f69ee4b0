// The ws package with nothing around it: a message is framed once and goes to everybody in the sender's room by a loop.
import { WebSocket, WebSocketServer } from 'ws'

const port = Number(process.argv[2])
const rooms = new Map()

new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false, clientTracking: false }, () =>
  process.stdout.write('ready\n'),
).on('connection', (socket, request) => {
  const name = new URL(request.url, 'http://bench').searchParams.get('room') ?? '0'
  let room = rooms.get(name)
  if (room === undefined) {
    room = new Set()
    rooms.set(name, room)
  }
  room.add(socket)
  socket.on('message', (message) => {
    for (const member of room) {
      if (member.readyState === WebSocket.OPEN) member.send(message, { binary: true })
    }
  })
  socket.on('close', () => room.delete(socket))
  socket.send('joined')
})
