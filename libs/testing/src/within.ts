/**
 * Fails if a promise does not settle before a timer of this process fires. A busy machine delays the timer as
 * well as the promise, so a test with this function does not fail on a busy machine.
 *
 * @throws Error if the timer fires first
 */
export function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
