// The limit: uWebSockets.js and nothing else. A text message subscribes to the topic that it names; a binary message
// goes to everybody who is subscribed to "room".
import uWS from 'uWebSockets.js'

const app = uWS.App()
app.ws('/*', {
  compression: uWS.DISABLED,
  idleTimeout: 120,
  maxBackpressure: 1 << 20,
  message: (socket, message, isBinary) => {
    if (isBinary) {
      app.publish('room', message, true)
      return
    }
    socket.subscribe(Buffer.from(message).toString())
    socket.send('joined')
  },
})
app.listen('127.0.0.1', Number(process.argv[2]), (listening) => {
  if (!listening) process.exit(1)
})
