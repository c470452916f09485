/** The door of a mount: a Unix socket, owner only, one JSON line in, one JSON line out. */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { hasCode, ThawfsError } from '../errors.js';
import { recordOf, type ErrorRecord, type Question } from './messages.js';
import type { MountPlan } from './plan.js';
import { socketPath } from './runtime-folder.js';
import type { Succession } from './succession.js';

export interface Answer { readonly value?: unknown; readonly error?: ErrorRecord }

/** A longer line is not a question. */
const MAX_LINE = 64 * 1024;

export class ControlSocket {
  private readonly path: string;
  private readonly server: Server;

  constructor(private readonly plan: MountPlan) {
    this.path = socketPath(plan);
    this.server = createServer();
  }

  listen(succession: Succession): void {
    this.server.on('connection', (socket) => { this.converse(socket, succession); });
    this.server.listen(this.path);
  }

  close(): void {
    this.server.close();
    rmSync(this.path, { force: true });
  }

  private converse(socket: Socket, succession: Succession): void {
    socket.on('error', () => undefined); // Who asked has gone.
    let size = 0;
    socket.on('data', (data: Buffer) => {
      size += data.length;
      if (size > MAX_LINE) socket.destroy();
    });
    createInterface({ input: socket }).once('line', (line) => {
      this.respond(line, succession).then(
        (value): Answer => ({ value }),
        (error: unknown): Answer => ({ error: recordOf(error) }),
      ).then((answer) => { socket.end(`${JSON.stringify(answer)}\n`); }, () => undefined);
    });
  }

  private async respond(line: string, succession: Succession): Promise<unknown> {
    const question = parse(line);
    if (question.command !== 'status') return succession.ask(question);
    const { id, directory, backend, content } = this.plan;
    const origin = content.kind === 'raw' ? { locations: [content.path] } : { locations: content.locations, cache: content.cache, offline: content.offline };
    const own = { id, target: directory, backend, ...origin, supervisor: process.pid, ...succession.status };
    try {
      return { ...own, state: 'served', ...(await succession.ask(question) as object) };
    } catch (error) {
      if (!hasCode(error, 'MOUNT_FAILED')) throw error;
      return { ...own, state: 'replacing' };
    }
  }
}

function parse(line: string): Question {
  let command: unknown;
  try {
    command = (JSON.parse(line) as Record<string, unknown>)['command'];
  } catch {
    // Refused below.
  }
  if (command === 'status' || command === 'fill') return { command };
  throw new ThawfsError('BAD_ARGUMENT', 'control socket: not a question');
}

