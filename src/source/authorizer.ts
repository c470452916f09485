/**
 * Answers a server that wants to know who asks (401): by a password (RFC 7617), or by a token that another server gives out for it, as registries
 * want it (distribution-spec, "Token Authentication"). Tokens last some minutes; the next refusal fetches a new one.
 */
import { ThawfsError } from '../errors.js';
import { MiB } from '../units.js';
import { statusError } from './http-answer.js';
import type { HttpAnswer, HttpClient } from './http-client.js';

/** A token with what is said around it is some KiB. */
const TOKEN_ANSWER_MAX = MiB;

interface Challenge {
  /** Lowercase: `basic`, `bearer`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string | undefined>>;
}

export class Authorizer {
  private renewal: { readonly refused: string | undefined; readonly done: Promise<boolean> } | undefined;

  /**
   * @param credentials `user:password`, asked for when a server wants to know; undefined = nobody in particular
   * @param secure only https may ask for them
   * @param header to begin with
   */
  constructor(private readonly client: HttpClient, private readonly credentials: () => string | Uint8Array | undefined, private readonly secure: boolean, private header?: string) {}

  /** What a request to the server has with it now. */
  get headers(): Readonly<Record<string, string>> {
    return this.header === undefined ? {} : { authorization: this.header };
  }

  /**
   * @param refused the header that was not enough
   * @param challenges of the refusal (`www-authenticate`)
   * @returns whether another try has a chance
   * @throws AUTH_REQUIRED, HTTP_STATUS, and what the network throws, of the server that gives out tokens
   */
  answer(refused: string | undefined, challenges: string | string[] | undefined, signal: AbortSignal): Promise<boolean> {
    if (refused !== this.header) return Promise.resolve(true); // somebody was here before
    // Requests that are refused together want one token together.
    if (this.renewal === undefined || this.renewal.refused !== refused) {
      const done = this.renew(challengesIn(challenges), signal).finally(() => { this.renewal = undefined; });
      this.renewal = { refused, done };
    }
    return this.renewal.done;
  }

  private async renew(challenges: readonly Challenge[], signal: AbortSignal): Promise<boolean> {
    const before = this.header;
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) this.header = await this.fetchToken(bearer, signal);
    else if (challenges.some(({ scheme }) => scheme === 'basic')) this.header = basic(this.credentials());
    return this.header !== undefined && this.header !== before;
  }

  private async fetchToken({ parameters: { realm, service, scope } }: Challenge, signal: AbortSignal): Promise<string | undefined> {
    if (realm === undefined || !URL.canParse(realm)) return undefined;
    const url = new URL(realm);
    if (url.protocol !== 'https:' && (this.secure || url.protocol !== 'http:')) return undefined; // a password for whoever sits on the wire
    if (service !== undefined) url.searchParams.set('service', service);
    if (scope !== undefined) url.searchParams.set('scope', scope);
    const password = basic(this.credentials());
    const answer = await this.client.get(url, { 'user-agent': 'thawfs', 'accept': 'application/json', ...(password === undefined ? {} : { authorization: password }) }, signal);
    const location = `${url.origin}${url.pathname}`;
    const body = await readSmall(answer, TOKEN_ANSWER_MAX, location);
    if (answer.statusCode !== 200) throw statusError(answer.statusCode, answer.headers, { location, offset: 0, length: 0 });
    const { token, access_token: other } = JSON.parse(body.toString()) as { readonly token?: unknown; readonly access_token?: unknown };
    const value = token ?? other;
    return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? `Bearer ${value}` : undefined;
  }
}

/** @returns a body of a few KiB @throws LIMIT_EXCEEDED */
export async function readSmall({ body }: HttpAnswer, limit: number, location: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > limit) throw new ThawfsError('LIMIT_EXCEEDED', `${location}: answers with more than ${limit} bytes`, { detail: { location, limit }, suggestion: 'Check the server.' });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** @param credentials `user:password` */
export function basic(credentials: string | Uint8Array | undefined): string | undefined {
  return credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/** RFC 9110, 11.6.1: schemes, each with `name=value` or `name="value"` behind it. */
function challengesIn(headers: string | string[] | undefined): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const [, scheme, name, quoted, plain] of [headers ?? []].flat().join(', ').matchAll(/([A-Za-z][\w-]*)(?=\s+[A-Za-z]|\s*$|\s*,)(?!\s*=)|([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: {} });
    else if (name !== undefined) (challenges.at(-1)?.parameters ?? {})[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
  }
  return challenges;
}
