/**
 * thawfs as a library: build, sign, verify and read images. Everything that fails throws a {@link ThawfsError} with a code from
 * docs/errors.md; everything that may wait takes an AbortSignal. Runnable examples are in examples/.
 */
export { buildImage, type BuildOptions, type BuildReport, type BuildStage } from './image/build.js';
export { verifyImage, type VerifyOptions, type VerifyReport } from './image/verify.js';
export { openImage, type OpenOptions } from './image/open.js';
export type { Image, ImageStatistics, RawPart } from './image/image.js';
export { ImageFiles } from './image/files.js';
export { inspectImage, type Inspection, type InspectOptions } from './image/inspect.js';
export { listImage, statImage, type Entry, type FileStatus, type ListOptions } from './image/list.js';
export { extractImage, type ExtractImageOptions } from './image/extract.js';
export { dumpImage, type DumpOptions } from './image/dump.js';
export { unpackImage, type UnpackOptions } from './image/unpack.js';
export { exportForSigning, importRootHashSignature, importSignature, signImage, type SigningRequest, type SignReport } from './image/sign.js';
export type { SignOptions } from './image/signers.js';
export { diffTrees, type Change, type DiffOptions, type DiffReport } from './update/diff.js';
export { makePatch, type MakePatchOptions, type MakePatchReport } from './update/make-patch.js';
export { applyPatch, type ApplyPatchOptions, type ApplyPatchReport } from './update/apply-patch.js';
export { patchBeside, publishPatch } from './update/published-patch.js';
export { buildRelease, type ReleaseOptions, type ReleaseReport } from './update/release.js';
export { pullImage, type PullOptions, type PullReport } from './update/pull.js';
export type { PullCost } from './update/pull-cost.js';
export { generateKey, loadTrustedKeys, type KeyType, type PublicKey } from './trust/keys.js';
export { SequenceLedger } from './trust/sequence-ledger.js';
export type { SequenceMemory, SignatureState, TrustPolicy, TrustReport } from './trust/policy.js';
export type { Manifest } from './format/manifest.js';
export type { SignatureScheme } from './format/signatures.js';
export { errorCodes, hasCode, ThawfsError, type ErrorCode, type ErrorDetail, type ErrorKind } from './errors.js';
export { mountImages, pushImage } from './mount/mount-image.js';
export type { LayerReport, MountOptions, MountReport } from './mount/mount-options.js';
export { unmountImage, type UnmountOptions } from './mount/unmount.js';
export { mountStatus, type MountStatus } from './mount/status.js';
export { fileStatus, type FaultCause, type LayerFiles } from './mount/file-status.js';
export type { LocalFile } from './image/local-files.js';
export { fillMount, type FillMountOptions } from './mount/fill-mount.js';
export { fillCache, type FillCacheOptions, type FillCacheReport } from './image/fill-cache.js';
export { cachedImages, unpinImage, type CachedImage } from './image/cached-images.js';
export { checkCache, type CacheCheckReport, type CheckCacheOptions } from './image/check-cache.js';
export { pushFiles, type PushReport } from './mount/push.js';
export { publishImage, type PublishedFile, type PublishOptions, type PublishReport } from './publish/publish-image.js';
export { serveFolder, type ServedRequest, type ServeOptions } from './publish/serve.js';
