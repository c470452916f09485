/** A server as its supervisor sees it: a child process with the FUSE descriptor, and what it last said. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ThawfsError } from '../errors.js';
import { errorOf, type FromServer, type ServerQuestion, type ServerRank, type ToServer } from './messages.js';
import type { MountPlan } from './plan.js';

export interface ServerEvents {
  ready(): void;
  /** It could not open the image. It exits by itself. */
  failed(error: ThawfsError): void;
  /** The file system is gone; the server exits. */
  unmounted(): void;
  complete(path: string): void;
  arrived(): void;
  /** All its threads have let go of the device. */
  exited(server: ServerProcess): void;
}

const program = fileURLToPath(new URL('server-main.js', import.meta.url));

/**
 * One arena for all threads, and what is larger than a chunk goes back to the system when it is freed. Chunks themselves (64 KiB) stay in the
 * arena: mapping and clearing fresh pages for each costs more than a third of a read from the cache, and saves no memory that shows.
 */
const frugalAllocator = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072' };

export class ServerProcess {
  ready = false;
  private readonly child: ChildProcess;
  private readonly questions = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  private nextQuestion = 1;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  private events: ServerEvents | undefined;
  /** When it was asked for a sign of life that has not come yet, milliseconds of performance.now(). */
  private asked: number | undefined;
  /** Requests that it had handled when it gave the last sign. */
  handled = 0;

  /** Starts loading. @param fuse the device, which need not be mounted yet */
  constructor(fuse: number, rank: ServerRank) {
    // A small young generation: what the kernel has to tear down when a server dies is what readers wait for.
    this.child = spawn(process.execPath, ['--max-semi-space-size=2', program, rank], {
      stdio: ['ignore', 'inherit', 'inherit', fuse, 'ipc'], env: { ...process.env, ...frugalAllocator },
    });
    this.child.on('message', (message: FromServer) => { this.hear(message); });
    this.child.on('error', () => undefined); // The failed start or send shows as an exit.
    this.gone = new Promise((resolve) => this.child.once('exit', () => {
      this.exited();
      resolve();
    }));
  }

  /** Tells it what to serve. @param events heard from now on; that it is gone already, in a moment */
  prepare(plan: MountPlan, events: ServerEvents): void {
    this.events = events;
    if (this.child.exitCode === null && this.child.signalCode === null) this.say({ type: 'prepare', plan });
    else setImmediate(() => { events.exited(this); });
  }

  get pid(): number | undefined { return this.child.pid; }

  /** Whether a sign of life is due. */
  get isAsked(): boolean { return this.asked !== undefined; }

  takeOver(): void {
    this.say({ type: 'take-over' });
  }

  /** Works also on a stopped process. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Asks for a sign of life, and kills the server when none came for `patience` milliseconds. To be called again and again. */
  watch(patience: number): void {
    const now = performance.now();
    if (this.asked === undefined) {
      this.asked = now;
      this.say({ type: 'ping' });
    } else if (now - this.asked > patience) this.kill();
  }

  /** @throws what the server threw, or MOUNT_FAILED when it dies before it answers */
  ask(question: ServerQuestion): Promise<unknown> {
    const id = this.nextQuestion++;
    return new Promise((resolve, reject) => {
      this.questions.set(id, { resolve, reject });
      this.say({ type: 'ask', id, question });
    });
  }

  private say(message: ToServer): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  private hear(message: FromServer): void {
    this.asked = undefined;
    switch (message.type) {
      case 'ready':
        this.ready = true;
        this.events?.ready();
        break;
      case 'failed':
        this.events?.failed(errorOf(message.error));
        break;
      case 'pong':
        this.handled = message.handled;
        if (message.stuck) this.kill();
        break;
      case 'unmounted':
        this.events?.unmounted();
        break;
      case 'complete':
        this.events?.complete(message.path);
        break;
      case 'arrived':
        this.events?.arrived();
        break;
      case 'answer': {
        const question = this.questions.get(message.id);
        this.questions.delete(message.id);
        if (message.error === undefined) question?.resolve(message.value);
        else question?.reject(errorOf(message.error));
        break;
      }
    }
  }

  private exited(): void {
    for (const { reject } of this.questions.values()) reject(errorOf({ code: 'MOUNT_FAILED', message: 'the server was replaced while it was asked', detail: {}, suggestions: ['Ask again.'] }));
    this.questions.clear();
    this.events?.exited(this);
  }
}
