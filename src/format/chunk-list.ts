/** A list of chunks in an order of its own, as text: `17-40,3,90-91`. */
import { ThawfsError } from '../errors.js';

/** Longest list, in characters: it is in the manifest, which is in the head. */
export const CHUNK_LIST_MAX_SIZE = 8192;

/** First and last chunk. */
type Run = readonly [first: number, last: number];

/** @param chunks each once @returns the list; what does not fit into {@link CHUNK_LIST_MAX_SIZE} is left out at its end */
export function encodeChunkList(chunks: Iterable<number>): string {
  const runs: [number, number][] = [];
  for (const chunk of chunks) {
    const run = runs.at(-1);
    if (run !== undefined && chunk === run[1] + 1) run[1] = chunk;
    else runs.push([chunk, chunk]);
  }
  let text = '';
  for (const [first, last] of runs) {
    const item = `${text === '' ? '' : ','}${first === last ? first : `${first}-${last}`}`;
    if (text.length + item.length > CHUNK_LIST_MAX_SIZE) break;
    text += item;
  }
  return text;
}

/**
 * @param label names the record in messages
 * @returns the chunks in the list's order
 * @throws BAD_FIELD when it is not what {@link encodeChunkList} writes, names a chunk that is not there, or one twice; LIMIT_EXCEEDED
 */
export function decodeChunkList(text: string, chunkCount: number, label: string): number[] {
  if (text.length > CHUNK_LIST_MAX_SIZE) {
    throw new ThawfsError('LIMIT_EXCEEDED', `${label}: ${text.length} characters, at most ${CHUNK_LIST_MAX_SIZE} are allowed`, { detail: { field: label, size: text.length } });
  }
  const runs = text.split(',').map((item): Run => {
    const match = /^(0|[1-9]\d{0,9})(?:-([1-9]\d{0,9}))?$/.exec(item);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last >= chunkCount || (match[2] !== undefined && last <= first)) throw bad(label);
    return [first, last];
  });
  const sorted = [...runs].sort(([a], [b]) => a - b);
  if (sorted.some(([first], i) => i > 0 && first <= sorted[i - 1]![1])) throw bad(label);
  if (encodeChunkList(chunksOf(runs)) !== text) throw bad(label);
  return [...chunksOf(runs)];
}

function* chunksOf(runs: readonly Run[]): Generator<number> {
  for (const [first, last] of runs) for (let chunk = first; chunk <= last; chunk++) yield chunk;
}

function bad(label: string): ThawfsError {
  return new ThawfsError('BAD_FIELD', `${label}: expected runs of chunks of the image, such as "17-40,3", none twice`, { detail: { field: label } });
}
