#!/usr/bin/env node
import module from 'node:module';

module.enableCompileCache?.(); // Node >= 22.1: compiled modules are kept between runs
const { launch } = await import('../dist/src/cli/launch.js');
const { givenArguments } = await import('../dist/src/cli/given-arguments.js');
process.exitCode = await launch(givenArguments(), import.meta.url);
