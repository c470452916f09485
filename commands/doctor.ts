import { BaseCommand } from '../src/cli/base-command.js';
import type { Finding } from '../src/cli/doctor.js';
import { paintFor } from '../src/cli/paint.js';
import { table } from '../src/cli/report.js';

export default class Doctor extends BaseCommand {
  static override summary = 'Say what this machine can do, and what to install for the rest.';
  static override description = `Building, verifying and reading images need nothing but Node.js. The outside tools judge and use unpacked images.

The exit status is 0 whatever is missing.`;

  static override examples = [
    { description: 'Look at this machine:', command: '<%= config.bin %> <%= command.id %>' },
    { description: 'Names of what is missing:', command: '<%= config.bin %> <%= command.id %> --json | jq -r \'.findings[] | select(.state == "missing").name\'' },
  ];

  async run(): Promise<{ findings: Finding[] }> {
    await this.parse(Doctor);
    const { examineMachine } = await import('../src/cli/doctor.js');
    const findings = examineMachine();
    const paint = paintFor(process.stdout);
    for (const group of ['thawfs', 'kernel', 'tools'] as const) {
      const rows = findings.filter((finding) => finding.group === group).map(({ name, state, detail, remedy }) => [state, name, remedy === undefined ? detail : `${detail} -> ${remedy}`]);
      const text = table(rows).replace(/^ok /gm, `${paint.green('ok')} `).replace(/^missing/gm, paint.yellow('missing'));
      this.log(`${paint.bold(group)}\n${text}\n`);
    }
    return { findings };
  }
}
