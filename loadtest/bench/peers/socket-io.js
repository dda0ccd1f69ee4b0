// Socket.IO as its documentation shows it: rooms, WebSocket only, a message goes to everybody in the sender's room.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const port = Number(process.argv[2])
const http = createServer()
const io = new Server(http, { transports: ['websocket'], pingInterval: 3_600_000, serveClient: false })

io.on('connection', (socket) => {
  const room = `room:${socket.handshake.query['room'] ?? '0'}`
  void socket.join(room)
  socket.on('m', (message) => io.to(room).emit('m', message))
})
http.listen(port, '127.0.0.1', () => process.stdout.write('ready\n'))
