import { string } from '@oclif/core/args';
import { BaseCommand } from '../src/cli/base-command.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields } from '../src/cli/report.js';
import type { PublishReport } from '../src/publish/publish-image.js';

export default class Publish extends BaseCommand {
  static override summary = 'Put an image into a container registry.';
  static override description = `The image becomes the one layer of an artifact; every command that takes a URL then takes its name: oci://HOST/REPOSITORY:TAG. \
Patches beside the image (build --publish, diff --publish) go along, to where pull looks for them. What the registry has is not sent again, and the name is set last.

Credentials are those of docker login, podman login, skopeo login or oras login. Registries on this machine (localhost) are spoken to without TLS, all others with it.`;

  static override examples = [
    { description: 'From a build to a registry:', command: '<%= config.bin %> build rootfs/ -o app.img.zst --key ci.pem && <%= config.bin %> <%= command.id %> app.img.zst oci://ghcr.io/example/app:2' },
    { description: 'Run from there:', command: '<%= config.bin %> mount oci://ghcr.io/example/app:2 /srv/app --trust ci.pub' },
  ];

  static override args = {
    image: string({ required: true, description: 'Image file.' }),
    name: string({ required: true, description: 'oci://HOST/REPOSITORY:TAG.' }),
  };

  async run(): Promise<PublishReport> {
    const { args: { image, name } } = await this.parse(Publish);
    const { publishImage } = await import('../src/publish/publish-image.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const report = await publishImage(image, name, { signal: this.signal, onProgress: progress.update });
      progress.stop();
      this.log(fields([
        ['published', report.location], ['by digest', report.pinned], ['size', `${exactSize(report.size)}${report.sent ? '' : ', was there already'}`], ['root hash', report.rootHash],
        ...report.patches.map(({ location, size }): [string, string] => ['patch', `${location}, ${exactSize(size)}`]),
      ]));
      return report;
    } finally {
      progress.stop();
    }
  }
}
