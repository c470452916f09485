import { availableParallelism } from 'node:os';

// Tests run on the compiled output: worker threads, the command line and jest then all execute the same files.
export default {
  rootDir: '.',
  testMatch: ['<rootDir>/dist/test/**/*.test.js'],
  testSequencer: '<rootDir>/test/longest-first.mjs',
  transform: {},
  testTimeout: 300_000, // a test that hangs ends in the end; a machine that is loaded is no failure
  maxWorkers: Math.ceil(availableParallelism() * 1.5), // many tests wait: for mounts, servers, pauses
  workerIdleMemoryLimit: '1GB',
};
