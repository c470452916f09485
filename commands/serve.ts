import type { AddressInfo } from 'node:net';
import { string } from '@oclif/core/args';
import { integer, string as stringFlag } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';

export default class Serve extends BaseCommand {
  static override summary = 'Serve the images of a directory over HTTP, for trying things out.';
  static override description = `Answers range requests, as mounting and reading from URLs need them; any web server or CDN that does so is as good. \
It listens on this machine only unless --host says otherwise, has neither encryption nor passwords, and runs until it is interrupted.`;

  static override examples = [{ description: 'Serve, and mount from it:', command: '<%= config.bin %> <%= command.id %> ./images & thawfs mount http://127.0.0.1:8420/app.img.zst /mnt --trust ci.pub' }];

  static override args = { directory: string({ required: true, description: 'Folder whose files are served.' }) };

  static override flags = {
    host: stringFlag({ default: '127.0.0.1', summary: 'Address to listen on; 127.0.0.1 unless given.' }),
    port: integer({ default: 8420, min: 0, max: 65535, summary: 'Port; 8420 unless given, 0 = any.' }),
  };

  async run(): Promise<{ url: string }> {
    const { args: { directory }, flags } = await this.parse(Serve);
    const { serveFolder } = await import('../src/publish/serve.js');
    const server = await serveFolder(directory, { ...flags, onRequest: ({ method, path, range, status }) => { this.remark(`${status} ${method} ${path}${range === undefined ? '' : ` ${range}`}`); } });
    const { address, port } = server.address() as AddressInfo;
    const url = `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;
    this.log(`serving ${directory} at ${url}`);
    await new Promise<void>((resolve) => { this.signal.addEventListener('abort', () => { resolve(); }, { once: true }); });
    server.closeAllConnections();
    server.close();
    return { url };
  }
}
