// Starts pychat or pychat-relay for people who double-click: looks at Node's version, fetches and builds what is missing,
// starts the program, and keeps the window open when something went wrong. Every Node can read this file, so that an old
// one can say what is wrong with it: no newer words than `const` here. The scripts beside it only find Node.
'use strict'

const nodeNeeded = [20, 19]
const programs = {
  chat: { name: 'PyChat', bin: 'apps/client/bin/pychat.js' },
  relay: { name: 'The PyChat relay', bin: 'apps/relay/bin/pychat-relay.js' },
}

function isOld(version) {
  const parts = version.split('.').map(Number)
  return parts[0] < nodeNeeded[0] || (parts[0] === nodeNeeded[0] && parts[1] < nodeNeeded[1])
}

if (isOld(process.versions.node)) {
  process.stdout.write(
    `PyChat needs Node.js ${nodeNeeded.join('.')} or newer, and this is ${process.versions.node}.\n` +
      'Get the LTS version from https://nodejs.org, install it, and start this again.\n',
  )
  waitAndExit(1)
} else {
  start()
}

function start() {
  const fs = require('node:fs')
  const path = require('node:path')
  const { spawn, spawnSync } = require('node:child_process')
  const program = programs[process.argv[2]]
  const args = process.argv.slice(3)
  if (!program) {
    process.stdout.write('Use start-chat or start-relay, which lie beside this file.\n')
    return waitAndExit(2)
  }
  const root = path.join(__dirname, '..')
  const inRoot = (file) => path.join(root, file)
  const changedAt = (file) => (fs.existsSync(inRoot(file)) ? fs.statSync(inRoot(file)).mtimeMs : 0)
  const run = (command, words, shell) =>
    spawnSync(command, words, { cwd: root, stdio: 'inherit', shell: shell === true }).status

  if (changedAt('node_modules/.package-lock.json') < changedAt('package-lock.json')) {
    process.stdout.write(
      'Fetching what PyChat is made of: this happens once, takes a minute or two and needs the internet.\n',
    )
    // On Windows npm is a script, which only a shell can run.
    const fetched = run(
      'npm',
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund'],
      process.platform === 'win32',
    )
    if (fetched !== 0) {
      process.stdout.write(
        'It could not be fetched: look at the lines above, check the internet connection, and start this again.\n',
      )
      return waitAndExit(1)
    }
    // npm leaves the file alone when all was there already.
    const now = new Date()
    if (changedAt('node_modules/.package-lock.json') > 0) {
      fs.utimesSync(inRoot('node_modules/.package-lock.json'), now, now)
    }
  }
  const compiler = 'node_modules/typescript/bin/tsc'
  if (fs.existsSync(inRoot(compiler))) {
    if (!fs.existsSync(inRoot(program.bin.replace(/bin.*/, 'dist/main.js')))) {
      process.stdout.write('Building PyChat: this happens once and takes less than a minute.\n')
    }
    if (run(process.execPath, [inRoot(compiler), '-b']) !== 0) {
      process.stdout.write(
        'PyChat could not be built: look at the lines above. If you changed nothing, get a fresh copy.\n',
      )
      return waitAndExit(1)
    }
  }
  if (process.argv[2] === 'relay') process.stdout.write(relayAdvice())

  const child = spawn(process.execPath, [inRoot(program.bin)].concat(args), { stdio: 'inherit' })
  // The program decides what Ctrl-C means; this one waits for it.
  process.on('SIGINT', () => {})
  child.on('exit', (code, signal) => {
    if (code === 0 || code === 130 || signal === 'SIGINT') process.exit(code || 0)
    process.stdout.write(
      `${program.name} ended (${signal || `exit code ${code}`}): the lines above say why.\n`,
    )
    waitAndExit(code || 1)
  })
}

function relayAdvice() {
  const interfaces = require('node:os').networkInterfaces()
  const hosts = []
  for (const name of Object.keys(interfaces)) {
    for (const { address, internal } of interfaces[name]) {
      if (!internal && /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address)) hosts.push(address)
    }
  }
  const others =
    hosts.length === 0
      ? ''
      : `On other machines of this network, start-chat takes as relay: ${hosts.join(' or ')}\n`
  return `The relay runs as long as this window is open; Ctrl-C ends it.\nOn this machine, start-chat takes as relay: localhost\n${others}`
}

/** A window that was opened by a double click closes with its program. */
function waitAndExit(code) {
  if (!process.stdin.isTTY) process.exit(code)
  process.stdout.write('Press Enter to close this window.')
  process.stdin.resume()
  process.stdin.once('data', () => process.exit(code))
  process.stdin.once('end', () => process.exit(code))
}
