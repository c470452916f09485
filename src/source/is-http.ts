/** @returns whether a location is a URL of a web server */
export function isHttp(location: string): boolean {
  return /^https?:/i.test(location);
}
