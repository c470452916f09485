/** Colours for one stream: none unless it is a terminal that has them; NO_COLOR and TERM=dumb are honoured (`hasColors` reads them). */
import type { WriteStream } from 'node:tty';

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

export function paintFor(stream: Pick<WriteStream, 'isTTY' | 'hasColors'> | { readonly isTTY?: undefined }): Paint {
  const coloured = stream.isTTY === true && stream.hasColors();
  const style = (on: number, off: number) => (text: string): string => coloured ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return { bold: style(1, 22), dim: style(2, 22), red: style(31, 39), green: style(32, 39), yellow: style(33, 39) };
}
