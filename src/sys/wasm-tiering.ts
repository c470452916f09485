/**
 * For its effect, in programs of ours only: it holds for the whole process. The HTTP parser of undici is one large function of WebAssembly, which V8
 * takes for hot after a single answer, and optimizes. That takes 0.1 to 0.2 s of a processor while a program is starting, and no process can end
 * before it is done. What is really hot (libzstd, where it is not installed; libext2fs) is optimized a moment later.
 */
import { setFlagsFromString } from 'node:v8';

// Roughly bytes executed until a function is optimized; 1.8 million in Node 20.
setFlagsFromString('--wasm-tiering-budget=200000000');
