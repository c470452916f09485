import { expect, test } from '@jest/globals';
import { serveFolder } from '../../../src/publish/serve.js';

test('what is no folder is refused', async () => {
  await expect(serveFolder('package.json')).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  await expect(serveFolder('not-there')).rejects.toMatchObject({ code: 'PATH_MISSING' });
});
