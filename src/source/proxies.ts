/** Proxies that the environment names, read as curl reads them: `proxy.example:3128` is one too. */
import { ThawfsError } from '../errors.js';

export interface Proxies {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
}

/** @throws BAD_ARGUMENT for a variable that names no proxy; its value is not told, it may hold a password */
export function proxiesOf(environment: Readonly<Record<string, string | undefined>>): Proxies {
  const [httpProxy, httpsProxy] = [proxyIn(environment, 'http_proxy'), proxyIn(environment, 'https_proxy')];
  return { ...(httpProxy === undefined ? {} : { httpProxy }), ...(httpsProxy === undefined ? {} : { httpsProxy }) };
}

function proxyIn(environment: Readonly<Record<string, string | undefined>>, variable: string): string | undefined {
  const name = [variable, variable.toUpperCase()].find((each) => environment[each] !== undefined);
  const value = name === undefined ? undefined : environment[name]?.trim();
  if (value === undefined || value === '') return undefined;
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  if (URL.canParse(url) && /^(?:https?|socks5?):$/.test(new URL(url).protocol)) return url;
  throw new ThawfsError('BAD_ARGUMENT', `${name!}: names no proxy`, { detail: { variable: name! }, suggestion: `Set it to http://HOST:PORT, or unset it.` });
}
