/** @returns whether a location is a URL of a web server */
export function isHttp(location: string): boolean {
  return /^https?:/i.test(location);
}

/** @returns whether a location is the name of something in a container registry */
export function isRegistry(location: string): boolean {
  return /^oci:\/\//i.test(location);
}

/** @returns whether what is there comes over a network */
export function isRemote(location: string): boolean {
  return isHttp(location) || isRegistry(location);
}
