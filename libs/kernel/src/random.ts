/** The source of random numbers for retry waits. It is injected, so that a test can choose the numbers. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

export const RANDOM = Symbol('Random');

export const systemRandom: Random = { next: () => Math.random() };
