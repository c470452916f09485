/** The alphabets of deflate (RFC 1951, 3.2.5 to 3.2.7): literals with lengths, distances, and code lengths. */

export const MIN_MATCH = 3;
export const MAX_MATCH = 258;
export const END_OF_BLOCK = 256;
export const LITERAL_COUNT = 286;
export const DISTANCE_COUNT = 30;
/** The order in which lengths of code length codes are sent. */
export const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] as const;

/** Bits that follow a symbol. */
export const LITERAL_EXTRA = Uint8Array.from({ length: LITERAL_COUNT }, (_, symbol) => (symbol < 265 || symbol === 285 ? 0 : (symbol - 261) >> 2));
export const DISTANCE_EXTRA = Uint8Array.from({ length: DISTANCE_COUNT }, (_, symbol) => (symbol < 4 ? 0 : (symbol >> 1) - 1));
export const CODE_LENGTH_EXTRA = Uint8Array.from({ length: 19 }, (_, symbol) => [2, 3, 7][symbol - 16] ?? 0);

/** Of a fixed block. */
export const FIXED_LITERAL_LENGTHS = Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8));
export const FIXED_DISTANCE_LENGTHS = new Uint8Array(DISTANCE_COUNT).fill(5);

/** The first length and distance of each symbol. */
export const LENGTH_BASE = new Uint16Array(LITERAL_COUNT);
export const DISTANCE_BASE = new Uint16Array(DISTANCE_COUNT);
/** By length, and by distance - 1: of the first 256 each, of the others each 128th. */
const lengthSymbols = new Uint16Array(MAX_MATCH + 1);
const distanceSymbols = new Uint8Array(512);

for (let symbol = 257, length = MIN_MATCH; symbol < 285; symbol++) {
  LENGTH_BASE[symbol] = length;
  for (const end = length + 2 ** LITERAL_EXTRA[symbol]!; length < end; length++) lengthSymbols[length] = symbol;
}
LENGTH_BASE[285] = MAX_MATCH;
lengthSymbols[MAX_MATCH] = 285;
for (let symbol = 0, distance = 1; symbol < DISTANCE_COUNT; symbol++) {
  DISTANCE_BASE[symbol] = distance;
  const end = distance + 2 ** DISTANCE_EXTRA[symbol]!;
  for (; distance < end; distance += distance <= 256 ? 1 : 128) distanceSymbols[slotOf(distance)] = symbol;
}

export function lengthSymbol(length: number): number {
  return lengthSymbols[length]!;
}

export function distanceSymbol(distance: number): number {
  return distanceSymbols[slotOf(distance)]!;
}

function slotOf(distance: number): number {
  return distance <= 256 ? distance - 1 : 256 + ((distance - 1) >> 7);
}
