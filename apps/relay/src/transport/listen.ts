// What can go wrong before the first connection, in sentences: the port, and the TLS files. Both adapters use it.
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { TransportOptions } from './transport.ts'

const sentences: Record<string, (place: string, host: string) => string> = {
  EADDRINUSE: (place) => `Another program already listens on ${place}; stop it or choose another port.`,
  EACCES: (place) => `This user may not listen on ${place}; choose a port from 1024 up.`,
  EADDRNOTAVAIL: (_place, host) =>
    `This machine has no address ${host}; listen on one of its own, or on 0.0.0.0.`,
  ENOTFOUND: (_place, host) => `The name ${host} is unknown here; listen on an address of this machine.`,
}

/** An error with `code` and a sentence that says what to do. */
export function listenError(options: TransportOptions, cause: unknown): Error {
  const code = codeOf(cause)
  const place = `${options.host}:${options.port}`
  const sentence = sentences[code]?.(place, options.host) ?? `Listening on ${place} failed (${code}).`
  return Object.assign(new Error(sentence, { cause }), { code })
}

/**
 * Takes the place once and lets it go, for an engine that cannot say why it may not listen.
 * @returns the port, which was free a moment ago  @throws Error as listenError makes it
 */
export function probePlace(options: TransportOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (cause) => reject(listenError(options, cause)))
    probe.listen({ host: options.host, port: options.port, exclusive: true }, () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => resolve(port))
    })
  })
}

/** @throws Error naming the file that cannot be read, or both when they are not a certificate and its key */
export function readTlsFiles(tls: { certFile: string; keyFile: string }): { cert: Buffer; key: Buffer } {
  const cert = readTlsFile('certificate', tls.certFile)
  const key = readTlsFile('key', tls.keyFile)
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new Error(
      `${tls.certFile} and ${tls.keyFile} are not a TLS certificate and its private key in PEM form.`,
      { cause },
    )
  }
  return { cert, key }
}

function readTlsFile(what: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw Object.assign(
      new Error(`The TLS ${what} file ${file} cannot be read (${codeOf(cause)}).`, { cause }),
      {
        code: codeOf(cause),
      },
    )
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN'
}
