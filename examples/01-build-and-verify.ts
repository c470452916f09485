/**
 * Builds a signed image of a directory, and verifies it with the public key.
 *
 *     node dist/examples/01-build-and-verify.js DIRECTORY IMAGE
 */
import { buildImage, generateKey, loadTrustedKeys, verifyImage } from 'thawfs';

const [source, output] = process.argv.slice(2);
if (source === undefined || output === undefined) throw new Error('usage: 01-build-and-verify DIRECTORY IMAGE');

const { privatePem, publicPem } = generateKey('ed25519'); // a release would keep this one, and publish the public half
const built = await buildImage({ source, output, keys: [{ pem: privatePem }], name: 'example', sequence: 1 });
console.log(`${output}: ${built.rawSize} bytes became ${built.fileSize}, root hash ${built.manifest.verity.rootHash}`);

const trust = { keys: loadTrustedKeys([publicPem]), now: Math.floor(Date.now() / 1000) };
const report = await verifyImage(output, { trust });
console.log(`verified: ${report.structure.names} names, signed by ${report.signedBy.join(', ')}`);
