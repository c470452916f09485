/** The order of suites: the long ones first, so that in the end no worker is left with one while the others have nothing to do. */
import Sequencer from '@jest/test-sequencer';

/** By what they take on two cores; suites of seconds are not here. Jest orders those, by its own timings where it has any (not in a fresh clone). */
export const long = [
  'mount/lazy', 'mount/replace', 'cli/update-interrupted', 'mount/crash', 'cli/read', 'cli/build-base', 'hostile/ext4-reader/damage', 'cli/publish', 'mount/many', 'mount/posix',
  'oracle/ext4-writer/large', 'oracle/image/options', 'oracle/image/sources', 'oracle/ext4-reader/mkfs', 'oracle/trust/signatures', 'unit/update/patch', 'cli/mount-live', 'cli/build', 'mount/overlay', 'mount/populate', 'cli/hostile', 'mount/back-ends', 'mount/once', 'mount/local',
  'property/ext4-writer/random-trees', 'property/ext4-writer/on-base', 'unit/image/open-image', 'cli/library-ends', 'cli/cache', 'cli/package', 'cli/sign',
];

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const place = long.findIndex((name) => path.endsWith(`/test/${name}.test.js`));
      return place < 0 ? long.length : place;
    };
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
}
