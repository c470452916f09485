/** Puts a content into a file, holes as holes. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { Content } from '../../src/model/content.js';
import { readPiece } from './tree-model.js';

const STEP = 1 << 20;

export function writeContent(content: Content, path: string): void {
  const fd = openSync(path, 'w');
  try {
    ftruncateSync(fd, content.size);
    for (const piece of content.pieces) {
      for (let done = 0; done < piece.length; done += STEP) {
        const bytes = readPiece(piece, done, Math.min(STEP, piece.length - done));
        if (writeSync(fd, bytes, 0, bytes.length, piece.offset + done) !== bytes.length) throw new Error(`${path}: short write`);
      }
    }
  } finally {
    closeSync(fd);
  }
}
