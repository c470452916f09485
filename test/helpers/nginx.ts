/** A real web server of one process, for tests and benchmarks: of this machine it takes next to nothing, as a distant server does. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { freePort } from './free-port.js';
import { until } from './mounted.js';

/**
 * @param folder empty, for what nginx writes
 * @param root what is served
 * @param locations more of its configuration, for inside `server`
 * @param body is given the port on 127.0.0.1; when it ends, nginx does
 */
export async function withNginx(folder: string, root: string, locations: string, body: (port: number) => Promise<void>): Promise<void> {
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
  writeFileSync(`${folder}/nginx.conf`, `
    daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
    events {}
    http { access_log off; sendfile on; ${temporary} server { listen 127.0.0.1:${port}; root ${root}; ${locations} } }`);
  const nginx = spawn('nginx', ['-c', `${folder}/nginx.conf`, '-e', `${folder}/error.log`], { stdio: 'ignore' });
  const ended = new Promise<never>((_, reject) => {
    nginx.once('error', reject);
    nginx.once('exit', (status, signal) => { reject(new Error(`nginx ended with ${status ?? signal ?? '?'}: see ${folder}/error.log`)); });
  });
  try {
    await Promise.race([listening(port), ended]);
    await body(port);
  } finally {
    nginx.kill();
    await ended.catch(() => undefined);
  }
}

function listening(port: number): Promise<void> {
  return until(() => new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); }).on('error', () => { resolve(false); });
  }), 'nginx listens');
}
