/** Every property optional, none undefined: what library options want under `exactOptionalPropertyTypes`. */
export type Given<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

/** @returns the options without those that the user did not give, so that the library's defaults hold. */
export function given<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>;
}
