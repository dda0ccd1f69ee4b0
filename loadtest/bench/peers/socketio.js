// Socket.IO as its documentation starts it: "join" names a room, "m" goes to everybody in "room". WebSocket only, no
// compression; pings so seldom that none falls into a measurement.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer()
const io = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  pingInterval: 600_000,
  serveClient: false,
})
io.on('connection', (socket) => {
  socket.on('join', (room) => {
    socket.join(room)
    socket.emit('joined')
  })
  socket.on('m', (message) => io.to('room').emit('m', message))
})
http.listen(Number(process.argv[2]), '127.0.0.1')
