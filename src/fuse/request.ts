/**
 * A request as the kernel wrote it, decoded in place. One object is reused for every request of a session, so nothing
 * is allocated for a field nobody asks for. Positions are those of the tables in format/fuse.ts; a test holds the two together.
 */
import { constants } from 'node:os';
import { fromBytes, type ByteString } from '../bytes/byte-string.js';
import { requestHeader } from '../format/fuse.js';
import { FuseError } from './file-system.js';

const BODY = requestHeader.size;

export class Request {
  private view: DataView;
  private length = 0;

  /** @param buffer where requests are read into; see {@link REQUEST_BUFFER_SIZE} */
  constructor(readonly buffer: Uint8Array) {
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  /**
   * Looks at the request in the first `received` bytes of the buffer.
   *
   * @returns false when these are not one whole request; then nothing else may be asked
   */
  accept(received: number): boolean {
    this.length = received;
    return received >= BODY && this.view.getUint32(0, true) === received;
  }

  get opcode(): number { return this.view.getUint32(4, true); }
  get nodeId(): number { return this.u64(16); }
  /** Who asks, as the user namespace of the mount sees it. */
  get uid(): number { return this.view.getUint32(24, true); }
  get pid(): number { return this.view.getUint32(32, true); }
  /** The whole request; valid until the next is read. */
  get bytes(): Uint8Array { return this.buffer.subarray(0, this.length); }
  /** For messages and as a map key; replies copy the eight bytes. */
  get unique(): bigint { return this.view.getBigUint64(8, true); }
  /** Bytes after the header. */
  get bodyLength(): number { return this.length - BODY; }

  copyUnique(target: DataView): void {
    target.setUint32(8, this.view.getUint32(8, true), true);
    target.setUint32(12, this.view.getUint32(12, true), true);
  }

  /** @param at position in the body */
  bodyU32(at: number): number { return this.view.getUint32(BODY + at, true); }
  bodyU64(at: number): number { return this.u64(BODY + at); }
  bodyUnique(at: number): bigint { return this.view.getBigUint64(BODY + at, true); }

  /**
   * The NUL-terminated name at `at` of the body.
   *
   * @throws FuseError EINVAL when no NUL ends it or it is empty
   */
  name(at = 0): ByteString {
    const end = this.buffer.indexOf(0, BODY + at);
    if (end <= BODY + at || end >= this.length) throw new FuseError(constants.errno.EINVAL);
    return fromBytes(this.buffer.subarray(BODY + at, end));
  }

  // Numbers above 2^53 lose low bits; every use is then out of range anyway and answered as such.
  private u64(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x1_0000_0000;
  }
}
