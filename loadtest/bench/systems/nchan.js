// Nchan in nginx, one worker; across nodes by Redis without storing anything there.
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary } from '../driver/frames.js'
import { deliveredBytes } from './payload.js'

const module = '/usr/lib/nginx/modules/ngx_nchan_module.so'

const dialect = {
  path: (room) => `/room/${room}`,
  // It subscribes after it has answered the handshake and says nothing about it.
  next: null,
  settleMs: 1_500,
  message: () => binary(randomBytes(deliveredBytes)),
}

const config = ({ port, folder, redisUrl }) => `
load_module ${module};
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
user root;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 19000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  nchan_shared_memory_size 512M;
  ${redisUrl === null ? '' : `upstream store { nchan_redis_server ${redisUrl}; }`}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location ~ ^/room/(\\w+)$ {
      nchan_pubsub websocket;
      nchan_channel_id $1;
      nchan_message_buffer_length 0;
      nchan_subscriber_first_message newest;
      nchan_websocket_ping_interval 0;
      ${redisUrl === null ? '' : 'nchan_redis_storage_mode nostore; nchan_redis_pass store;'}
    }
  }
}
`

export const nchan = {
  Nchan: {
    dialect,
    absent: () =>
      existsSync(module) && existsSync('/usr/sbin/nginx')
        ? null
        : 'nginx with Nchan is not installed (Debian packages nginx and libnginx-mod-nchan)',
    node(place) {
      const file = join(place.folder, 'nginx.conf')
      writeFileSync(file, config(place))
      return { command: '/usr/sbin/nginx', args: ['-p', place.folder, '-c', file] }
    },
  },
}
