// Variables in layers, the later over the earlier: hosts share the layers of their groups instead of copying them.

import type { Value, Variables } from './value.ts'

/** As one map with the entries of all layers; names are in the order in which they first appear. */
export function layered(layers: readonly Variables[]): Layered {
  return new Layered(layers.filter((layer) => layer.size > 0))
}

export class Layered implements Variables {
  readonly layers: readonly Variables[]
  constructor(layers: readonly Variables[]) {
    this.layers = layers
  }

  get(name: string): Value | undefined {
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const value = this.layers[i]?.get(name)
      if (value !== undefined) return value
    }
    return undefined
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  get size(): number {
    return this.#names().size
  }

  *keys(): MapIterator<string> {
    yield* this.#names()
  }

  *entries(): MapIterator<[string, Value]> {
    for (const name of this.#names()) {
      const value = this.get(name)
      if (value !== undefined) yield [name, value]
    }
  }

  *values(): MapIterator<Value> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries()
  }

  forEach(visit: (value: Value, name: string, all: Variables) => void): void {
    for (const [name, value] of this.entries()) visit(value, name, this)
  }

  #names(): Set<string> {
    return new Set(this.layers.flatMap((layer) => [...layer.keys()]))
  }
}
