/** The door of a mount: a Unix socket, owner only, one JSON line in, one JSON line out. */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { hasCode, ThawfsError } from '../errors.js';
import { addCost, type FetchCost } from '../image/lazy-statistics.js';
import { printable } from '../source/http-url.js';
import { servingKey, type Offer } from './join.js';
import { recordOf, type ErrorRecord, type Question, type ServerQuestion } from './messages.js';
import type { ServedImage } from './local-view.js';
import type { MountPlan } from './plan.js';
import { socketPath } from './runtime-folder.js';

export interface Answer { readonly value?: unknown; readonly error?: ErrorRecord }

/** A longer line is not a question. */
const MAX_LINE = 64 * 1024;

/** What a supervisor does when it is asked. */
export interface Supervised {
  /** Facts of its own for `status`. */
  facts(): Readonly<Record<string, unknown>>;
  /** What the front fetched before there was a server. */
  frontCost(): FetchCost | undefined;
  /** @throws MOUNT_FAILED while no server is there to answer */
  ask(question: ServerQuestion): Promise<unknown>;
  /** What others may mount too, as soon as it stands; undefined when it has left the tree. */
  offer(): Promise<Offer | undefined>;
  /** The mount has left the tree. */
  detached(): void;
  /** Mounts the file system once more. */
  place(target: string): Promise<void>;
  /** Copies files up through an overlay of it, of which a mount is at `view`. */
  populate(view: string, image: ServedImage): Promise<void>;
}

export class ControlSocket {
  private readonly path: string;
  private readonly server: Server;

  constructor(private readonly plan: MountPlan, private readonly supervised: Supervised) {
    this.path = socketPath(plan);
    this.server = createServer((socket) => { this.converse(socket); });
  }

  listen(): void {
    this.server.listen(this.path);
  }

  close(): void {
    this.server.close();
    rmSync(this.path, { force: true });
  }

  private converse(socket: Socket): void {
    socket.on('error', () => undefined); // Who asked has gone.
    let size = 0;
    socket.on('data', (data: Buffer) => {
      size += data.length;
      if (size > MAX_LINE) socket.destroy();
    });
    createInterface({ input: socket }).once('line', (line) => {
      this.respond(line).then(
        (value): Answer => ({ value }),
        (error: unknown): Answer => ({ error: recordOf(error) }),
      ).then((answer) => { socket.end(`${JSON.stringify(answer)}\n`); }, () => undefined);
    });
  }

  private async respond(line: string): Promise<unknown> {
    const question = parse(line);
    switch (question.command) {
      case 'status': return this.status();
      case 'image': return this.image();
      case 'join': return question.key === servingKey(this.plan) ? this.supervised.offer() : undefined;
      case 'fill': return this.supervised.ask({ command: 'fill' });
      case 'detached':
        this.supervised.detached();
        return undefined;
      case 'place': return this.supervised.place(question.target);
      case 'populate': return this.supervised.populate(question.target, this.image());
    }
  }

  private image(): ServedImage {
    const { content } = this.plan;
    if (content.kind === 'raw') throw new ThawfsError('FEATURE_UNSUPPORTED', 'a raw image has no chunks');
    return { head: content.head, locations: content.locations, cache: content.cache };
  }

  private async status(): Promise<unknown> {
    const { id, directory, backend, content } = this.plan;
    const origin = content.kind === 'raw' ? { locations: [content.path] } : { locations: content.locations.map(printable), cache: content.cache, offline: content.offline };
    const own = { id, target: directory, backend, ...origin, supervisor: process.pid };
    try {
      const told = await this.supervised.ask({ command: 'status' }) as FetchCost;
      return { ...own, state: 'served', ...addCost(told, this.supervised.frontCost()), ...this.supervised.facts() };
    } catch (error) {
      if (!hasCode(error, 'MOUNT_FAILED')) throw error;
      return { ...own, state: 'replacing', ...this.supervised.facts() };
    }
  }
}

function parse(line: string): Question {
  let question: Record<string, unknown> = {};
  try {
    question = Object(JSON.parse(line)) as Record<string, unknown>;
  } catch {
    // Refused below.
  }
  const { command, target, key } = question;
  if (command === 'status' || command === 'image' || command === 'fill' || command === 'detached') return { command };
  if (command === 'join' && typeof key === 'string') return { command, key };
  if ((command === 'place' || command === 'populate') && typeof target === 'string' && target.startsWith('/')) return { command, target };
  throw new ThawfsError('BAD_ARGUMENT', 'control socket: not a question');
}
