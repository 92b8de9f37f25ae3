/** The source of the retry law's jitter, injected so that a test can choose it. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** Injection token of the {@link Random}. */
export const RANDOM = Symbol('Random');

export const systemRandom: Random = { next: () => Math.random() };
