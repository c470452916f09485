/** A word of flags with the names of its bits, both ways: `flags.bits.extents` for code, `flags.names(word)` for people. */
export interface FlagSet<Name extends string> {
  /** Names the word in messages. */
  readonly name: string;
  readonly bits: Readonly<Record<Name, number>>;
  /** @returns the word with exactly these flags, unsigned. */
  of(...names: Name[]): number;
  /** @returns whether `word` has the flag. */
  has(word: number, name: Name): boolean;
  /** @returns the flags of `word` in bit order; a bit without a name reads as `0x...`. */
  names(word: number): string[];
  /** @returns the bits of `word` that are not among `known` (by default: that have no name), unsigned. */
  outside(word: number, known?: number): number;
}

/**
 * @param name names the word in messages, for example `incompat`
 * @param bits one bit each; a value that is not a single bit of a 32-bit word, or is given twice, is refused when the module loads
 */
export function flagSet<const B extends Readonly<Record<string, number>>>(name: string, bits: B): FlagSet<keyof B & string> {
  const byBit = new Map<number, string>();
  for (const [flag, bit] of Object.entries(bits)) {
    const isOneBit = bit >= 1 && bit <= 0x8000_0000 && Number.isInteger(Math.log2(bit));
    if (!isOneBit || byBit.has(bit)) throw new Error(`${name}.${flag}: ${bit} is not a bit of its own`);
    byBit.set(bit, flag);
  }
  const all = [...byBit.keys()].reduce((word, bit) => (word | bit) >>> 0, 0);
  return {
    name, bits,
    of: (...names) => names.reduce((word, flag) => (word | bits[flag]!) >>> 0, 0),
    has: (word, flag) => (word & bits[flag]!) !== 0,
    names: (word) => {
      const found: string[] = [];
      for (let i = 0; i < 32; i++) {
        const bit = 2 ** i;
        if ((word & bit) !== 0) found.push(byBit.get(bit) ?? `0x${bit.toString(16)}`);
      }
      return found;
    },
    outside: (word, known = all) => (word & ~known) >>> 0,
  };
}
