/** Names of architectures in Go, by those in Node. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

/** This machine's processor, as container images and their indexes call it. */
export const imageArchitecture = architectures[process.arch] ?? process.arch;
