import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { formatSpan, pace, startProgress } from '../../../src/cli/progress.js';

function collector(isTTY: boolean): { output: PassThrough & { isTTY: boolean }; text: () => string } {
  const output = Object.assign(new PassThrough(), { isTTY });
  const chunks: string[] = [];
  output.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  return { output, text: () => chunks.join('') };
}

describe('startProgress', () => {
  test('elsewhere than on a terminal: a line every five seconds, with throughput and time left', async () => {
    const { output, text } = collector(false);
    let time = 0;
    const progress = await startProgress({ silent: false, output, now: () => time });
    progress.update('pack', 0, 1000e6);
    for (time = 1000; time <= 10000; time += 1000) progress.update('pack', time * 5e4, 1000e6);
    progress.stop();
    expect(text()).toBe('pack: 25 % (250 MB of 1.00 GB), 50.0 MB/s, 15 s left\npack: 50 % (500 MB of 1.00 GB), 50.0 MB/s, 10 s left\n');
  });

  test('what was here already when it began is no throughput', async () => {
    const { output, text } = collector(false);
    let time = 0;
    const progress = await startProgress({ silent: false, output, now: () => time });
    progress.update('fetching', 800e6, 1000e6);
    time = 5000;
    progress.update('fetching', 850e6, 1000e6);
    progress.stop();
    expect(text()).toBe('fetching: 85 % (850 MB of 1.00 GB), 10.0 MB/s, 15 s left\n');
  });

  test('what is over soon prints nothing', async () => {
    const { output, text } = collector(false);
    const progress = await startProgress({ silent: false, output, now: () => 0 });
    progress.update('pack', 0, 10);
    progress.update('pack', 10, 10);
    progress.update('check', 10, 10);
    progress.stop();
    expect(text()).toBe('');
  });

  test('with --json nothing, on a terminal either', async () => {
    const { output, text } = collector(true);
    const progress = await startProgress({ silent: true, output });
    progress.update('pack', 1, 2);
    progress.stop();
    expect(text()).toBe('');
  });
});

test('pace', () => {
  expect(pace(50e6, 100e6, 1000)).toEqual({ rate: '50.0 MB/s', left: '1 s' });
  expect(pace(50e6, 100e6, 1000, 40e6)).toEqual({ rate: '10.0 MB/s', left: '5 s' });
  expect(pace(0, 100, 1000)).toEqual({ rate: '0 B/s', left: '?' });
  expect(pace(5, 0, 1000)).toEqual({ rate: '5 B/s', left: '?' });
});

test.each([[0, '0 s'], [59.2, '1 min 00 s'], [185, '3 min 05 s'], [7620, '2 h 07 min']])('formatSpan %d', (seconds, text) => expect(formatSpan(seconds)).toBe(text));
