#!/usr/bin/env node
import module from 'node:module';

module.enableCompileCache?.(); // Node >= 22.1: compiled modules are kept between runs
const { start } = await import('../dist/src/cli/start.js');
process.exitCode = await start(process.argv.slice(2), import.meta.url);
