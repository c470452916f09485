/** The part of zstd-codec 0.1.5 that we use: its Embind module, without the JavaScript wrappers that turn failures into null. */
declare module 'zstd-codec/lib/zstd-codec-binding-wasm.js' {
  interface VectorU8 { resize(size: number, fill: number): void; delete(): void }
  interface BlockCodec {
    compressBound(size: number): number;
    /** @returns bytes in `target`, negative on failure */
    compress(target: VectorU8, source: VectorU8, level: number): number;
    decompress(target: VectorU8, source: VectorU8): number;
  }
  interface DecompressStream {
    begin(): boolean;
    /** @returns false on failure; what `sink` gets is its own */
    transform(bytes: Uint8Array, sink: (bytes: Uint8Array) => void): boolean;
    delete(): void;
  }
  export interface ZstdModule {
    /** Makes the instance; without it that happens asynchronously. @returns its exports, which `receive` gets too */
    instantiateWasm: (imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) => WebAssembly.Exports;
    onAbort: (reason: unknown) => void;
    print: (text: string) => void;
    printErr: (text: string) => void;
    ZstdCodec: new () => BlockCodec;
    VectorU8: new () => VectorU8;
    ZstdDecompressStreamBinding: new () => DecompressStream;
    cloneToVector(target: VectorU8, source: Uint8Array): void;
    cloneAsTypedArray(source: VectorU8): Uint8Array;
  }
  /** The module itself (CommonJS). */
  export type ZstdStart = (module: Partial<ZstdModule>) => void;
}

/** What of WebAssembly is used: the declarations of Node have none, and those of the DOM are not for us. */
declare namespace WebAssembly {
  type Imports = Readonly<Record<string, unknown>>;
  type Exports = Readonly<Record<string, unknown>>;
  const Module: new (binary: Uint8Array) => object;
  interface Instance { readonly exports: Exports }
  const Instance: new (module: object, imports: Imports) => Instance;
}
