// The limit: uWebSockets.js with nothing around it. A message goes to everybody in the sender's room by publish.
import uWS from 'uWebSockets.js'

const port = Number(process.argv[2])

const app = uWS.App()

app
  .ws('/*', {
    compression: uWS.DISABLED,
    maxPayloadLength: 65_536,
    idleTimeout: 120,
    upgrade(res, req, context) {
      res.upgrade(
        { room: `room:${req.getQuery('room') ?? '0'}` },
        req.getHeader('sec-websocket-key'),
        req.getHeader('sec-websocket-protocol'),
        req.getHeader('sec-websocket-extensions'),
        context,
      )
    },
    open(ws) {
      ws.subscribe(ws.getUserData().room)
      ws.send('joined')
    },
    message(ws, message) {
      app.publish(ws.getUserData().room, message, true, false)
    },
  })
  .listen('127.0.0.1', port, (token) => process.stdout.write(token ? 'ready\n' : 'cannot listen\n'))
