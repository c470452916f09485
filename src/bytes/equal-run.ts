/** Bytes that are compared at once, when some were equal already. */
const BLOCK = 1024;
const FEW = 32;

/** @returns how many bytes of `a` from `at` on equal those of `b` from `place` on, `most` at most; both hold as many */
export function equalRun(a: Uint8Array, at: number, b: Uint8Array, place: number, most: number): number {
  let count = 0;
  const few = Math.min(FEW, most);
  while (count < few && a[at + count] === b[place + count]) count++;
  if (count < FEW) return count;
  if (count + BLOCK <= most) {
    const [one, other] = [bufferOf(a), bufferOf(b)];
    while (count + BLOCK <= most && one.compare(other, place + count, place + count + BLOCK, at + count, at + count + BLOCK) === 0) count += BLOCK;
  }
  while (count < most && a[at + count] === b[place + count]) count++;
  return count;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
