/**
 * Rejects if the promise does not settle in time. A busy machine delays the timer as well as the promise, so
 * it does not make a test fail.
 *
 * @throws Error if the timer fires first
 */
export function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
