// Tests run on the compiled output: worker threads, the command line and jest then all execute the same files.
// Young suites are about processes and mounts whose timing is not settled; `npm run test:young` runs them, and CI prints their result.
const young = ['/test/mount/', '/test/cli/update-pull'];

export default {
  rootDir: '.',
  testMatch: ['<rootDir>/dist/test/**/*.test.js'],
  testPathIgnorePatterns: ['/node_modules/', ...(process.env.YOUNG === '1' ? [`^(?!.*(?:${young.join('|')}))`] : young)],
  transform: {},
  testTimeout: 120_000,
  workerIdleMemoryLimit: '1GB',
};
