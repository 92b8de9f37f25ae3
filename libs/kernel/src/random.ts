/** Random numbers for retry waits. Injected, so that a test can choose them. */
export interface Random {
  /** In [0, 1). */
  next(): number;
}

export const RANDOM = Symbol('Random');

export const systemRandom: Random = { next: () => Math.random() };
