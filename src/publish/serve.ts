/** A small web server for trying things out: files of one folder, by closed ranges, with ETags. Not for the internet. */
import { open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { fromErrno, ThawfsError } from '../errors.js';

/** What was asked, and the status of the answer. */
export interface ServedRequest {
  readonly method: string;
  readonly path: string;
  /** The Range header as it came. */
  readonly range: string | undefined;
  readonly status: number;
}

export interface ServeOptions {
  /** Default 127.0.0.1: reached from this machine only. */
  readonly host?: string;
  /** Default 0: any that is free. */
  readonly port?: number;
  /** Called after each answer. */
  readonly onRequest?: (request: ServedRequest) => void;
}

/**
 * @param folder every regular file in it can be read; nothing outside, whatever the path or symlinks say
 * @returns the listening server; its owner closes it
 * @throws PATH_MISSING, NOT_PERMITTED; BAD_ARGUMENT for what is no directory; IO_FAILED when the port is taken
 */
export async function serveFolder(folder: string, { host = '127.0.0.1', port = 0, onRequest }: ServeOptions = {}): Promise<Server> {
  const root = await realpath(folder).catch((error: unknown) => { throw fromErrno(error, folder); });
  if (!(await stat(root)).isDirectory()) throw new ThawfsError('BAD_ARGUMENT', `${folder}: is not a directory`, { suggestion: 'Name the directory that the images are in.' });
  const server = createServer((request, response) => {
    const { method = '', url = '' } = request;
    response.once('finish', () => onRequest?.({ method, path: url, range: request.headers.range, status: response.statusCode }));
    answer(root, request, response).catch(() => { response.destroy(); });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => { reject(fromErrno(error, `listening on ${host}:${port}`)); });
    server.listen(port, host, resolve);
  });
  return server;
}

async function answer(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const file = await openInside(root, request.url ?? '/');
  if (file === undefined) {
    response.writeHead(404).end();
    return;
  }
  try {
    const { size, mtimeMs, ino } = await file.stat();
    const etag = `"${[ino, size, Math.floor(mtimeMs)].map((number) => number.toString(16)).join('-')}"`;
    const headers = { 'accept-ranges': 'bytes', etag, 'content-type': 'application/octet-stream' };
    const range = parseRange(request.headers.range, size);
    if (range === 'unsatisfiable') {
      response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` }).end();
      return;
    }
    const { first, last } = range ?? { first: 0, last: size - 1 };
    response.writeHead(range === undefined ? 200 : 206, {
      ...headers, 'content-length': last - first + 1, ...(range === undefined ? {} : { 'content-range': `bytes ${first}-${last}/${size}` }),
    });
    if (request.method === 'HEAD' || size === 0) response.end();
    else await send(file, first, last, response);
  } finally {
    await file.close();
  }
}

async function send(file: FileHandle, first: number, last: number, response: ServerResponse): Promise<void> {
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  const stream = file.createReadStream({ start: first, end: last, autoClose: false });
  stream.once('error', () => { response.destroy(); });
  stream.pipe(response);
  await gone;
  stream.destroy();
}

/** RFC 9110 section 14: one range; a header of another kind is ignored. */
function parseRange(header: string | undefined, size: number): { readonly first: number; readonly last: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  const first = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return first > last ? 'unsatisfiable' : { first, last };
}

/** @returns undefined when there is no such regular file inside `root` */
async function openInside(root: string, url: string): Promise<FileHandle | undefined> {
  let file: FileHandle | undefined;
  try {
    const path = await realpath(`${root}/${decodeURIComponent(new URL(url, 'http://localhost').pathname)}`);
    if (!path.startsWith(`${root}/`)) return undefined;
    file = await open(path, 'r');
    if ((await file.stat()).isFile()) return file;
  } catch {
    // Not there, not readable, not a path.
  }
  await file?.close();
  return undefined;
}
