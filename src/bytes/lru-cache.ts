/** A bounded cache that forgets what was used longest ago. A value that could not be made is not remembered. */
export class LruCache<Key, Value> {
  private readonly values = new Map<Key, Value>(); // a Map keeps insertion order: the first key is the oldest

  /** @param capacity values kept, at least 1 */
  constructor(private readonly capacity: number) {}

  /** @returns the value of `key`, made by `make` when it is not here. */
  get(key: Key, make: () => Value): Value {
    const found = this.values.get(key);
    if (found !== undefined) {
      this.values.delete(key);
      this.values.set(key, found);
      return found;
    }
    const value = make();
    this.values.set(key, value);
    if (this.values.size > this.capacity) this.values.delete(this.values.keys().next().value as Key);
    return value;
  }
}
