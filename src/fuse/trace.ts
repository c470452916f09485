/** A line per request for people: what was asked, what was answered. */
import { display } from '../bytes/byte-string.js';
import { ChunkMissing } from '../bytes/random-access.js';
import { getSystemErrorName } from 'node:util';
import { operations } from './opcodes.js';
import type { Reply } from './reply.js';
import type { Request } from './request.js';

export type Trace = (request: Request, outcome: Reply | ChunkMissing) => void;

/** @returns for example `#24 READ node 12 65536+4096 by 4711: 4096 bytes` or `#9 LOOKUP node 1 "etc" by 0: ENOENT`. */
export function describe(request: Request, outcome: Reply | ChunkMissing): string {
  const name = operations.get(request.opcode)?.name ?? `opcode ${request.opcode}`;
  return `#${request.unique} ${name} node ${request.nodeId}${argument(name, request)} by ${request.pid}: ${result(outcome)}`;
}

function argument(name: string, request: Request): string {
  if (name === 'LOOKUP') return ` "${display(request.name())}"`;
  if (name === 'GETXATTR') return ` "${display(request.name(8))}"`;
  if (name === 'READ' || name === 'READDIR' || name === 'READDIRPLUS') return ` ${request.bodyU64(8)}+${request.bodyU32(16)}`;
  return '';
}

function result(outcome: Reply | ChunkMissing): string {
  if (outcome instanceof ChunkMissing) return `waits for ${outcome.chunks.length} chunks from ${outcome.chunks[0] ?? '?'}`;
  return outcome.error === 0 ? `${outcome.bytes.length - 16} bytes` : getSystemErrorName(outcome.error);
}
