/** Huffman codes of limited length, with the ties broken as gzip and zlib break them: the same frequencies give the same codes. */

export interface HuffmanCode {
  /** Bits of each symbol; 0 = not used. */
  readonly lengths: Uint8Array;
  /** Bit patterns, first bit lowest. */
  readonly codes: Uint16Array;
  /** The last symbol that has a code. */
  readonly last: number;
}

/** @param frequencies of the symbols. @param most bits a symbol may have */
export function huffmanCode(frequencies: Uint16Array, most: number): HuffmanCode {
  const count = frequencies.length;
  const weights = new Uint32Array(2 * count);
  const depths = new Uint8Array(2 * count);
  const parents = new Uint16Array(2 * count);
  const heap: number[] = [0]; // 1-based: the lightest comes first
  let last = -1;
  const push = (symbol: number, weight: number): void => {
    weights[symbol] = weight;
    heap.push(symbol);
  };
  frequencies.forEach((frequency, symbol) => { if (frequency > 0) push(last = symbol, frequency); });
  while (heap.length < 3) push(last < 2 ? ++last : 0, 1); // a decoder expects two codes
  const before = (a: number, b: number): boolean => weights[a]! < weights[b]! || (weights[a] === weights[b] && depths[a]! <= depths[b]!);
  const sink = (from: number): void => {
    const node = heap[from]!;
    let at = from;
    for (let child = 2 * at; child < heap.length; child = 2 * at) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (before(node, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = node;
  };
  for (let at = (heap.length - 1) >> 1; at >= 1; at--) sink(at);

  const order: number[] = []; // nodes, lightest first: children before their parents
  let node = count;
  do {
    const first = heap[1]!;
    heap[1] = heap.pop()!;
    sink(1);
    const second = heap[1];
    order.push(first, second);
    weights[node] = weights[first]! + weights[second]!;
    depths[node] = Math.max(depths[first]!, depths[second]!) + 1;
    parents[first] = parents[second] = node;
    heap[1] = node++;
    sink(1);
  } while (heap.length > 2);
  order.push(heap[1]);
  order.reverse();

  const lengths = limitedLengths(order, parents, count, most);
  return { lengths, codes: canonicalCodes(lengths), last };
}

/** @param order of all nodes, the root first */
function limitedLengths(order: readonly number[], parents: Uint16Array, count: number, most: number): Uint8Array {
  const bits = new Uint8Array(parents.length);
  const perLength = new Uint16Array(most + 1);
  let excess = 0;
  for (const node of order.slice(1)) {
    const length = bits[parents[node]!]! + 1;
    if (length > most) excess++;
    bits[node] = Math.min(length, most);
    if (node < count) perLength[bits[node]]!++;
  }
  if (excess > 0) {
    for (; excess > 0; excess -= 2) {
      let length = most - 1;
      while (perLength[length] === 0) length--;
      perLength[length]!--; // this leaf moves down, and takes one of those that were too deep for a brother
      perLength[length + 1]! += 2;
      perLength[most]!--;
    }
    const leaves = order.filter((node) => node < count).reverse();
    for (let length = most, i = 0; length > 0; length--) {
      for (let left = perLength[length]!; left > 0; left--) bits[leaves[i++]!] = length;
    }
  }
  return bits.slice(0, count);
}

/** @returns the codes of RFC 1951, 3.2.2, for these lengths */
export function canonicalCodes(lengths: Uint8Array): Uint16Array {
  const next = new Uint16Array(17);
  const perLength = new Uint16Array(17);
  for (const length of lengths) if (length > 0) perLength[length]!++;
  for (let length = 1; length < 16; length++) next[length + 1] = (next[length]! + perLength[length]!) << 1;
  return Uint16Array.from(lengths, (length) => (length === 0 ? 0 : reversed(next[length]!++, length)));
}

function reversed(code: number, length: number): number {
  let result = 0;
  for (let i = 0, left = code; i < length; i++, left >>= 1) result = result << 1 | left & 1;
  return result;
}
