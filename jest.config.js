// Tests run on the compiled output: worker threads, the command line and jest then all execute the same files.
export default {
  rootDir: '.',
  testMatch: ['<rootDir>/dist/test/**/*.test.js'],
  transform: {},
  testTimeout: 120_000,
  maxWorkers: '100%', // many tests wait: for mounts, servers, pauses
  workerIdleMemoryLimit: '1GB',
};
