// What outlives a reload. Where the browser gives no storage (private modes, full disks) it lives as long as the page.

const prefix = 'shake.';

export class Store {
  #storage;
  #own = new Map();

  constructor(storage = safely(() => globalThis.localStorage)) {
    this.#storage = storage;
  }

  get(key) {
    const text = this.#own.get(key) ?? safely(() => this.#storage?.getItem(prefix + key));
    return text ? safely(() => JSON.parse(text)) : undefined;
  }

  set(key, value) {
    const text = JSON.stringify(value);
    const kept = safely(() => {
      this.#storage.setItem(prefix + key, text);
      return true;
    });
    kept ? this.#own.delete(key) : this.#own.set(key, text);
  }

  remove(key) {
    this.#own.delete(key);
    safely(() => this.#storage?.removeItem(prefix + key));
  }

  /** All keys that begin so. */
  keys(begin) {
    const list = new Set(this.#own.keys());
    safely(() => {
      for (let i = 0; i < this.#storage.length; i++) {
        const key = this.#storage.key(i);
        if (key.startsWith(prefix)) list.add(key.slice(prefix.length));
      }
    });
    return [...list].filter((key) => key.startsWith(begin));
  }
}

function safely(fn) {
  try {
    return fn();
  } catch {
    return undefined;
  }
}
