#!/usr/bin/env node
import module from 'node:module';

module.enableCompileCache?.(); // Node >= 22.1: compiled modules are kept between runs
const { launch } = await import('../dist/src/cli/launch.js');
process.exitCode = await launch(process.argv.slice(2), import.meta.url);
