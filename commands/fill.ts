import { statSync } from 'node:fs';
import { string } from '@oclif/core/args';
import { boolean, string as stringFlag } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { sizeFlag } from '../src/cli/flags.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import { ThawfsError } from '../src/errors.js';
import type { FillCacheReport } from '../src/image/fill-cache.js';
import type { OnProgress } from '../src/cli/progress.js';
import { isRemote } from '../src/source/is-remote.js';

type Report = { readonly complete: true; readonly served: boolean } | FillCacheReport;

export default class Fill extends BaseCommand {
  static override summary = 'Fetch the rest of an image now.';
  static override description = `Of a mounted image: returns when the whole image is on this machine, and, with the block back-end, the kernel reads the local copy without a server \
(unless --no-handover was given, or the disk is too small). Interrupting stops waiting, not fetching.

Of an image on a server: fetches it into the cache, so that it can be mounted without the server (--offline). What an interrupted run fetched stays; the next goes on from there.`;

  static override examples = [
    { description: 'Before going on a journey:', command: '<%= config.bin %> <%= command.id %> /srv/app' },
    { description: 'Have an image at hand before it is mounted, whatever else the cache has to forget:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst --trust ci.pub --pin' },
  ];

  static override args = { image: string({ required: true, description: 'Where the image is mounted, or its http(s) URL.' }) };

  static override flags = {
    'pin': boolean({ summary: 'Never evict it from the cache, until thawfs cache unpin.' }),
    'cache': stringFlag({ helpValue: 'DIR', helpGroup: 'CACHE', summary: 'Where chunks are kept; /var/cache/thawfs for root, else ~/.cache/thawfs, unless given.' }),
    'cache-size': sizeFlag({ helpGroup: 'CACHE', summary: 'Disk space that chunks may take; 4G unless given.' }),
    'mirror': stringFlag({ multiple: true, multipleNonGreedy: true, helpValue: 'URL', summary: 'Another place of the same image. May be repeated.' }),
    'fill-rate': sizeFlag({ summary: 'Most bytes per second.' }),
    ...trustFlags,
  };

  async run(): Promise<Report> {
    const { args: { image }, flags } = await this.parse(Fill);
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const report = isRemote(image) ? await this.fillCache(image, flags, progress.update) : await this.fillMount(image, progress.update);
      progress.stop();
      this.log('served' in report ? report.served ? 'complete; served from the cache' : 'complete; no server is needed any more' : fields([
        ['image', report.name], ['root hash', report.rootHash], ['chunks', `${report.chunks}, ${report.fetched} of them fetched now`],
        ['fetched', `${exactSize(report.bytesFetched)} in ${report.requests} requests`], ['pinned', report.pinned ? 'yes' : undefined],
      ]));
      return report;
    } finally {
      progress.stop();
    }
  }

  private async fillMount(directory: string, update: OnProgress): Promise<Report> {
    if (statSync(directory, { throwIfNoEntry: false })?.isFile() === true) {
      throw new ThawfsError('BAD_ARGUMENT', `${directory}: is a file of this machine, nothing has to be fetched`, { suggestion: 'Name a mounted directory or a URL.' });
    }
    const { fillMount } = await import('../src/mount/fill-mount.js');
    const served = await fillMount(directory, { signal: this.signal, onProgress: (done, total) => { update('fetching', done, total); } });
    return { complete: true, served };
  }

  private async fillCache(location: string, flags: FillFlags, update: OnProgress): Promise<Report> {
    const [{ fillCache }, { defaultCacheFolder }, trust] = await Promise.all([import('../src/image/fill-cache.js'), import('../src/mount/cache-folder.js'), trustPolicy(flags)]);
    const { cache = defaultCacheFolder(), 'cache-size': cacheSize, mirror, 'fill-rate': rate, pin } = flags;
    return fillCache(location, {
      trust, cache, pin, signal: this.signal, onProgress: (done, total) => { update('fetching', done, total); },
      ...(cacheSize === undefined ? {} : { cacheSize }), ...(mirror === undefined ? {} : { mirrors: mirror }), ...(rate === undefined ? {} : { rate }),
    });
  }
}

type FillFlags = Parameters<typeof trustPolicy>[0] & {
  readonly 'pin': boolean;
  readonly 'cache'?: string | undefined;
  readonly 'cache-size'?: number | undefined;
  readonly 'mirror'?: string[] | undefined;
  readonly 'fill-rate'?: number | undefined;
};
