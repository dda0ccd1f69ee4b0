// Socket.IO as its documentation shows it: rooms, WebSocket only, a message goes to everybody in the sender's room;
// with the address of a Redis, by its adapter for that.
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'

const port = Number(process.argv[2])
const redisUrl = process.argv[3]
const http = createServer()
const io = new Server(http, { transports: ['websocket'], pingInterval: 3_600_000, serveClient: false })
if (redisUrl !== undefined) {
  const publisher = new Redis(redisUrl)
  io.adapter(createAdapter(publisher, publisher.duplicate()))
}

io.on('connection', (socket) => {
  const room = `room:${socket.handshake.query['room'] ?? '0'}`
  void socket.join(room)
  socket.on('m', (message) => io.to(room).emit('m', message))
})
http.listen(port, '127.0.0.1', () => process.stdout.write('ready\n'))
