// What "helm test" runs: Alice at one relay and Bob at another, in a room of their own; what she says has to reach him.
// Any Node with pychat on the PATH runs it: NODES is a list of names or addresses, NODES_WANTED how many relays have to
// be behind them (1 or 2), SCHEME ws or wss, PORT the chat port, WITHIN_MS the time for all. Exit code 0 when the message came.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { mkdtempSync, rmSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const {
  NODES = 'localhost',
  NODES_WANTED = '2',
  SCHEME = 'ws',
  PORT = '8765',
  WITHIN_MS = '90000',
} = process.env

const say = (text) => process.stdout.write(`${text}\n`)
const fail = (text) => {
  say(`FAILED: ${text}`)
  process.exit(1)
}

const folder = mkdtempSync(join(tmpdir(), 'pychat-helm-test-'))
const children = []
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})

let state = 'no relay was looked for yet'
setTimeout(() => fail(`${state}, after ${WITHIN_MS} ms.`), Number(WITHIN_MS)).unref()

/** New pods enter the name a moment after they are ready. */
async function addresses() {
  for (;;) {
    const answers = await Promise.all(
      NODES.split(',').map((name) => lookup(name, { all: true }).catch(() => [])),
    )
    const found = [...new Set(answers.flat().map(({ address }) => address))]
    if (found.length >= Number(NODES_WANTED)) return found
    state = `${NODES} has ${found.length} of ${NODES_WANTED} relays`
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

/** Starts pychat; `until` gives the first event, past or coming, that fits. */
function enter(user, address, server, pin) {
  const url = `${SCHEME}://${isIPv6(address) ? `[${address}]` : address}:${PORT}`
  say(`${user} goes to ${url}`)
  // --insecure: some clusters give pods addresses that are not private ones.
  const child = spawn(
    'pychat',
    ['--json', '--insecure', '--relay', url, '--server', server, '--user', user],
    {
      // What the two keep is their own, as on two machines.
      env: { ...process.env, PYCHAT_PIN: pin, PYCHAT_STATE_DIR: join(folder, user) },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  children.push(child)
  child.on('error', (error) => fail(`pychat cannot be started (${error.code}).`))
  child.on('exit', (code) => fail(`${user}'s pychat ended with exit code ${code}.`))
  const events = []
  const waiting = new Set()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line)
    events.push(event)
    if (event.type === 'error') say(`${user}: ${event.text}`)
    for (const look of waiting) look()
  })
  return {
    say: (text) => child.stdin.write(`${text}\n`),
    end: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit').once('exit', resolve)
        child.kill()
      }),
    until: (fits) =>
      new Promise((resolve) => {
        const look = () => {
          const event = events.find(fits)
          if (event === undefined) return
          waiting.delete(look)
          resolve(event)
        }
        waiting.add(look)
        look()
      }),
  }
}

const found = await addresses()
const server = `helm-test-${randomBytes(8).toString('hex')}`
const pin = randomBytes(16).toString('hex')
const text = `through two pods ${randomBytes(4).toString('hex')}`

state = 'Alice is not in the room'
const alice = enter('Alice', found[0], server, pin)
await alice.until(({ type }) => type === 'ready')
state = 'Bob is not in the room'
const bob = enter('Bob', found[1] ?? found[0], server, pin)
await bob.until(({ type }) => type === 'ready')
state = "Bob did not get Alice's message"
alice.say(text)
const message = await bob.until((event) => event.type === 'message' && event.text === text)
await alice.until((event) => event.type === 'message' && event.own)
state = 'a client did not end'
await Promise.all([alice.end(), bob.end()])
if (message.from !== 'Alice') fail(`the message came from ${JSON.stringify(message.from)}.`)
say(`Bob got Alice's message${found.length > 1 ? ' through another relay' : ' (there is one relay only)'}.`)
process.exit(0)
