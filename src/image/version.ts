/** This program's name and version, as manifests record it. */
import { readFileSync } from 'node:fs';

const packageFile = new URL('../../../package.json', import.meta.url); // from dist/src/image
export const VERSION = (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;
