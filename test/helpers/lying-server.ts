/** Every way in which a web server or the network before it may lie, by name. A lie begins with request `from` (1 = the opening one). */
import type { ServerResponse } from 'node:http';
import type { Interference, RangeServer } from './range-server.js';

/** Answers in its own way. `honest` is what the right answer would have been. */
export type Lie = (response: ServerResponse, honest: ReturnType<RangeServer['answer']>, server: RangeServer) => void;

/** Ends after some bytes without ending the answer. */
function sendThenDrop(response: ServerResponse, body: Uint8Array, drop: () => void): void {
  response.write(body.subarray(0, body.length >> 1), () => { setTimeout(drop, 10); });
}

function changed(headers: Record<string, string>, changes: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...headers, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

export const lies = {
  'whole file for a range': (response, _, server) => {
    const { size } = server.served;
    response.writeHead(200, { 'content-length': size });
    response.end(server.served.read(0, size));
  },
  'wrong bytes': (response, { status, headers, body }) => {
    const wrong = new Uint8Array(body);
    for (let at = 0; at < wrong.length; at += 7) wrong[at] = wrong[at]! ^ 0x10;
    response.writeHead(status, headers).end(wrong);
  },
  'bytes of another place': (response, { status, headers, body }, { served }) => {
    const [, first] = /bytes (\d+)-/.exec(headers['content-range'] ?? 'bytes 0-')!.map(Number) as [number, number];
    response.writeHead(status, headers).end(served.read(first > served.size / 2 ? 0 : served.size - body.length, body.length));
  },
  'truncated body': (response, { status, headers, body }) => {
    response.writeHead(status, headers);
    sendThenDrop(response, body, () => response.socket?.end());
  },
  'short body without a length': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { 'content-length': undefined })).end(body.subarray(0, body.length >> 1));
  },
  'long body without a length': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { 'content-length': undefined }));
    response.write(body);
    response.end(Buffer.alloc(100_000));
  },
  'reset in mid-body': (response, { status, headers, body }) => {
    response.writeHead(status, headers);
    sendThenDrop(response, body, () => response.socket?.resetAndDestroy());
  },
  'endless slow body': (response, { status, headers, body }) => {
    response.writeHead(status, headers);
    let at = 0;
    const timer = setInterval(() => { response.write(body.subarray(at, ++at)); }, 20);
    response.on('close', () => { clearInterval(timer); });
  },
  'silence': () => undefined,
  'silence in mid-body': (response, { status, headers, body }) => {
    response.writeHead(status, headers);
    response.write(body.subarray(0, body.length >> 1));
  },
  'another range': (response, { status, headers, body }, { served: { size } }) => {
    response.writeHead(status, changed(headers, { 'content-range': `bytes 0-${body.length - 2}/${size}` })).end(body);
  },
  'a range that ends before it begins': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { 'content-range': 'bytes 5-4/3' })).end(body);
  },
  'no content-range': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { 'content-range': undefined })).end(body);
  },
  'unknown size': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { 'content-range': headers['content-range']?.replace(/\d+$/, '*') })).end(body);
  },
  'several parts': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { 'content-range': undefined, 'content-type': 'multipart/byteranges; boundary=x' })).end(body);
  },
  'compressed body': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { 'content-encoding': 'gzip' })).end(body);
  },
  'changed etag': (response, { status, headers, body }) => {
    response.writeHead(status, changed(headers, { etag: '"v2"' })).end(body);
  },
  'changed size': (response, { status, headers, body }, { served: { size } }) => {
    response.writeHead(status, changed(headers, { 'content-range': headers['content-range']?.replace(/\d+$/, String(size + 1)) })).end(body);
  },
  'range not satisfiable': (response, _, { served: { size } }) => { response.writeHead(416, { 'content-range': `bytes */${size}` }).end(); },
  'redirect loop': (response, _, { url }) => { response.writeHead(302, { location: url }).end(); },
  'redirect to a file': (response) => { response.writeHead(302, { location: 'file:///etc/passwd' }).end(); },
  'redirect to nowhere': (response) => { response.writeHead(302).end(); },
  'not authorised': (response) => { response.writeHead(401).end('who are you'); },
  'forbidden': (response) => { response.writeHead(403).end(); },
  'not found': (response) => { response.writeHead(404).end('<html>no such page</html>'); },
  'busy': (response) => { response.writeHead(503).end(); },
  'teapot': (response) => { response.writeHead(418).end(); },
  'not HTTP': (response) => { response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n'); },
  'endless header': (response) => {
    const { socket } = response;
    socket?.write('HTTP/1.1 206 Partial Content\r\nx-filler: ');
    const timer = setInterval(() => { socket?.write('a'.repeat(16_384)); }, 1);
    socket?.on('error', () => undefined);
    socket?.on('close', () => { clearInterval(timer); });
  },
} satisfies Record<string, Lie>;

export type LieName = keyof typeof lies;

/** @param last the last request that is lied to */
export function lying(name: LieName, from = 1, last = Infinity): Interference {
  return (request, response, server, count) => {
    if (count < from || count > last) return false;
    (lies[name])(response, server.answer(request.headers.range), server);
    return true;
  };
}
