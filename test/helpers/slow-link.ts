/**
 * A slow link on this machine: TCP connections to 127.0.0.1 are passed on to a server as a distant one would answer. A process of its
 * own, so that neither end shares its event loop:
 *
 *     node slow-link.js UPSTREAM_PORT ROUND_TRIP_MS MBIT_PER_S      prints its port; ends with its standard input
 *
 * What it has of a real link: half a round trip for every byte in either direction; a round trip more for the first bytes of a connection
 * (the handshake); one rate for all connections together, handed out in small turns, as fair queueing does; slow start: a connection
 * has at most its window under way, ten segments at first, and what is acknowledged is added to it; after an idle time it begins anew.
 * What it has not: loss, a full queue, jitter. It knows nothing of HTTP, so it is the same for every client.
 */
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { spawn } from 'node:child_process';

export interface LinkShape {
  /** Milliseconds. */
  readonly roundTrip: number;
  /** Million bits per second. */
  readonly rate: number;
}

export interface SlowLink {
  /** Connect here instead of to the server. */
  readonly port: number;
  close(): Promise<void>;
}

/** @param upstream port of the server on this machine */
export async function startSlowLink(upstream: number, { roundTrip, rate }: LinkShape): Promise<SlowLink> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), String(upstream), String(roundTrip), String(rate)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => { resolve(); }));
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => { resolve(Number(line)); });
    child.once('error', reject);
    child.once('exit', (status) => { reject(new Error(`the slow link ended with ${status ?? 'a signal'}`)); });
  });
  return {
    port,
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

const SEGMENT = 1448;
const FIRST_WINDOW = 10 * SEGMENT;
const LARGEST_WINDOW = 16 << 20;
/** Bytes that one connection is given before the next has its turn. */
const TURN = 4 * SEGMENT;
/** Milliseconds of the rate that are made up for when the process was late. */
const LARGEST_DEBT = 20;
/** Bytes taken from the server in advance. */
const BUFFER = 1 << 20;

/** Bytes on their way down: due at the client, later acknowledged to the sender. */
interface Flight { readonly connection: Connection; readonly bytes: Buffer; readonly due: number }

class Connection {
  readonly queue: Buffer[] = [];
  queued = 0;
  ended = false;
  window = FIRST_WINDOW;
  underWay = 0;
  lastSent = 0;

  constructor(readonly client: Socket, readonly server: Socket) {}

  /** @returns up to {@link TURN} bytes that may be sent now, none when the window is full or the client does not read */
  take(now: number, idle: number): Buffer | undefined {
    if (this.underWay === 0 && now - this.lastSent > idle) this.window = FIRST_WINDOW;
    const size = Math.min(TURN, this.window - this.underWay, this.queue[0]?.length ?? 0);
    if (size <= 0 || this.client.writableLength > LARGEST_WINDOW) return undefined;
    const first = this.queue[0]!;
    if (size === first.length) this.queue.shift();
    else this.queue[0] = first.subarray(size);
    this.queued -= size;
    this.underWay += size;
    this.lastSent = now;
    if (this.queued < BUFFER / 2) this.server.resume();
    return first.subarray(0, size);
  }
}

class Link {
  private readonly connections: Connection[] = [];
  private readonly flights: Flight[] = [];
  private readonly acknowledgements: { readonly connection: Connection; readonly size: number; readonly due: number }[] = [];
  /** Bytes that may be sent. */
  private tokens = 0;
  private last = performance.now();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly upstream: number, private readonly half: number, private readonly bytesPerMillisecond: number) {}

  accept(client: Socket): void {
    const server = createConnection({ host: '127.0.0.1', port: this.upstream, noDelay: true });
    client.setNoDelay(true);
    const connection = new Connection(client, server);
    this.connections.push(connection);
    const open = performance.now() + 2 * this.half;
    const later = (action: () => void): void => { setTimeout(action, Math.max(performance.now(), open) + this.half - performance.now()); };
    client.on('data', (bytes: Buffer) => { later(() => { server.write(bytes); }); });
    client.on('end', () => { later(() => { server.end(); }); });
    server.on('data', (bytes: Buffer) => {
      connection.queue.push(bytes);
      connection.queued += bytes.length;
      if (connection.queued > BUFFER) server.pause();
      this.wake();
    });
    server.on('end', () => { connection.ended = true; this.wake(); });
    const drop = (): void => {
      const at = this.connections.indexOf(connection);
      if (at >= 0) this.connections.splice(at, 1);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', drop);
    client.on('close', drop);
  }

  private wake(): void {
    if (this.timer !== undefined) return;
    this.last = performance.now();
    this.timer = setInterval(() => { this.tick(); }, 1);
  }

  private tick(): void {
    const now = performance.now();
    this.tokens = Math.min(this.tokens + (now - this.last) * this.bytesPerMillisecond, LARGEST_DEBT * this.bytesPerMillisecond);
    this.last = now;
    while (this.acknowledgements.length > 0 && this.acknowledgements[0]!.due <= now) {
      const { connection, size } = this.acknowledgements.shift()!;
      connection.underWay -= size;
      connection.window = Math.min(LARGEST_WINDOW, connection.window + size);
    }
    this.send(now);
    this.deliver(now);
    if (this.flights.length > 0 || this.acknowledgements.length > 0 || this.connections.some(({ queued }) => queued > 0)) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.tokens = 0;
  }

  /** In turns, until the rate is used up or nobody may send. */
  private send(now: number): void {
    const idle = 200 + 2 * this.half;
    for (let refused = 0; this.tokens > 0 && refused < this.connections.length;) {
      const connection = this.connections.shift()!;
      this.connections.push(connection);
      const bytes = connection.take(now, idle);
      refused = bytes === undefined ? refused + 1 : 0;
      if (bytes === undefined) continue;
      this.tokens -= bytes.length;
      this.flights.push({ connection, bytes, due: now + this.half });
      this.acknowledgements.push({ connection, size: bytes.length, due: now + 2 * this.half });
    }
    // An idle link saves nothing up.
    if (this.tokens > this.bytesPerMillisecond) this.tokens = this.bytesPerMillisecond;
  }

  private deliver(now: number): void {
    let due = 0;
    while (due < this.flights.length && this.flights[due]!.due <= now) due++;
    const arrived = new Map<Connection, Buffer[]>();
    for (const { connection, bytes } of this.flights.splice(0, due)) {
      const parts = arrived.get(connection);
      if (parts === undefined) arrived.set(connection, [bytes]);
      else parts.push(bytes);
    }
    for (const [{ client }, parts] of arrived) client.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    for (const connection of this.connections) if (connection.ended && connection.queued === 0 && connection.underWay === 0) connection.client.end();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [upstream, roundTrip, rate] = process.argv.slice(2).map(Number) as [number, number, number];
  const link = new Link(upstream, roundTrip / 2, rate * 1e6 / 8 / 1000);
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => { link.accept(client); });
  server.listen(0, '127.0.0.1', () => { process.stdout.write(`${(server.address() as AddressInfo).port}\n`); });
  process.stdin.resume().on('end', () => { process.exit(); }).on('error', () => { process.exit(); });
}
