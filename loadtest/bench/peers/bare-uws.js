// The limit: uWebSockets.js with nothing around it. A message goes to everybody in the sender's room by publish; with
// the address of a Redis, by way of it: one PUBLISH each, one subscription per room that this node has members of.

import uWS from 'uWebSockets.js'
import { Redis } from 'ioredis'

const port = Number(process.argv[2])
const redisUrl = process.argv[3]

const app = uWS.App()
const publisher = redisUrl === undefined ? null : new Redis(redisUrl)
const subscriber = publisher?.duplicate()
/** Room -> what to do when it is heard, or null once it is. */
const heard = new Map()

subscriber?.on('messageBuffer', (channel, message) => {
  app.publish(channel.toString('latin1'), message, true, false)
})

function hear(room, then) {
  const waiting = heard.get(room)
  if (subscriber === undefined || waiting === null) then()
  else if (waiting !== undefined) waiting.push(then)
  else {
    heard.set(room, [then])
    void subscriber.subscribe(room).then(() => {
      const ready = heard.get(room)
      heard.set(room, null)
      for (const each of ready) each()
    })
  }
}

app
  .ws('/*', {
    compression: uWS.DISABLED,
    maxPayloadLength: 65_536,
    // As the relay's: a ping every 24 s, without which phones and homes do not stay connected.
    idleTimeout: 40,
    sendPingsAutomatically: true,
    upgrade(res, req, context) {
      res.upgrade(
        { room: `room:${req.getQuery('room') ?? '0'}`, open: true },
        req.getHeader('sec-websocket-key'),
        req.getHeader('sec-websocket-protocol'),
        req.getHeader('sec-websocket-extensions'),
        context,
      )
    },
    open(ws) {
      const data = ws.getUserData()
      ws.subscribe(data.room)
      hear(data.room, () => {
        if (data.open) ws.send('joined')
      })
    },
    message(ws, message) {
      const { room } = ws.getUserData()
      if (publisher === null) app.publish(room, message, true, false)
      // Copied: the engine takes the bytes back when this returns.
      else void publisher.publish(room, Buffer.from(message.slice(0)))
    },
    close(ws) {
      ws.getUserData().open = false
    },
  })
  .listen('127.0.0.1', port, (token) => process.stdout.write(token ? 'ready\n' : 'cannot listen\n'))
