// Exit 0 when this container's relay says that it is ready, 1 otherwise. Asks the ops port on loopback.
// What "ready" means is the relay's business.
import { request } from 'node:http'

const listen = process.env.PYCHAT_OPS_LISTEN ?? '127.0.0.1:9765'
const port = listen.slice(listen.lastIndexOf(':') + 1)
const asked = request({ host: '127.0.0.1', port, path: '/readyz', timeout: 2000, agent: false }, (answer) => {
  process.exitCode = answer.statusCode === 200 ? 0 : 1
  answer.resume()
})
asked.on('timeout', () => asked.destroy())
asked.on('error', () => {
  process.exitCode = 1
})
asked.end()
