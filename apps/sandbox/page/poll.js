const EVERY_MS = 1_000;
const LONGEST_MS = 10_000;

/** Polls every second while the page is visible, and less often while polling fails. */
export class Poll {
  #look;
  #failed;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Numbers the polls, so that a slow one cannot overwrite the result of a later one. */
  #count = 0;

  /**
   * @param {() => Promise<() => void>} look fetches, and returns a function that shows the result
   * @param {(error: Error | null) => void} failed called with every failure, and with null after a success
   */
  constructor(look, failed) {
    this.#look = look;
    this.#failed = failed;
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) clearTimeout(this.#timer);
      else void this.now();
    });
  }

  /** Polls at once, then continues at the usual pace. */
  async now() {
    clearTimeout(this.#timer);
    this.#count += 1;
    const mine = this.#count;
    /** @type {() => void} */
    let show = () => undefined;
    try {
      show = await this.#look();
      if (mine !== this.#count) return;
      this.#failures = 0;
      this.#failed(null);
    } catch (error) {
      if (mine !== this.#count) return;
      this.#failures += 1;
      this.#failed(error instanceof Error ? error : new Error(String(error)));
    }
    if (!document.hidden) {
      const waitMs = Math.min(EVERY_MS * 2 ** this.#failures, LONGEST_MS);
      this.#timer = setTimeout(() => void this.now(), waitMs);
    }
    // Last and outside `try`: a bug in the page must not look like a sandbox that does not answer.
    show();
  }
}
