import { expect, it } from 'vitest'
import { parseRedisAddress } from '../../src/redis/address.ts'

const plain = { name: null, username: null, password: null, db: 0, tls: false }

it.each([
  [
    'redis://cache',
    { ...plain, kind: 'single', hosts: [{ host: 'cache', port: 6379 }], shown: 'cache:6379' },
  ],
  ['redis://10.0.0.1:7000/3', { ...plain, kind: 'single', hosts: [{ host: '10.0.0.1', port: 7000 }], db: 3 }],
  ['rediss://:p%40ss@cache', { kind: 'single', tls: true, username: null, password: 'p@ss' }],
  ['redis://user:word@cache/', { username: 'user', password: 'word', db: 0 }],
  ['redis://[::1]:7000', { hosts: [{ host: '::1', port: 7000 }], shown: '[::1]:7000' }],
  [
    'redis+cluster://u:w@a:1,b',
    {
      kind: 'cluster',
      username: 'u',
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 6379 },
      ],
    },
  ],
  ['rediss+cluster://a:1', { kind: 'cluster', tls: true }],
  [
    'redis+sentinel://u:p%40ss@a,b:2/main/3',
    {
      kind: 'sentinel',
      name: 'main',
      username: 'u',
      password: 'p@ss',
      db: 3,
      tls: false,
      hosts: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 2 },
      ],
      shown: 'a:26379, b:2',
    },
  ],
  ['rediss+sentinel://[::1]/my-main.1', { kind: 'sentinel', name: 'my-main.1', tls: true, db: 0 }],
  ['redis+sentinel://a:1', null],
  ['redis+sentinel://a:1/', null],
  ['redis+sentinel://a:1/na me', null],
  ['redis+sentinel://a:1/main/x', null],
  ['redis+sentinel+cluster://a:1/main', null],
  ['redis://a:1,b:2', null],
  ['redis+cluster://a:1/2', null],
  ['redis://a:0', null],
  ['redis://a:70000', null],
  ['http://cache', null],
  ['redis://:%zz@cache', null],
  ['', null],
])('reads %s or says how it is written', (url, expected) => {
  if (expected !== null) return expect(parseRedisAddress(url)).toMatchObject(expected)
  expect(() => parseRedisAddress(url)).toThrow(
    expect.objectContaining({
      name: 'StoreError',
      code: 'refused',
      message: expect.stringMatching(/redis:.*redis\+sentinel:.*redis\+cluster:/),
    }),
  )
})
