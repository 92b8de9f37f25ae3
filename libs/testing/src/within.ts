/**
 * Fails if a promise does not settle before a timer of this process fires. On a busy machine the timer is
 * late too, but the clock is not. So use this, and not the clock, to show that something does not wait.
 *
 * @throws Error if the timer fires first
 */
export function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
