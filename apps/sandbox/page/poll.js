const EVERY_MS = 1_000;
const LONGEST_MS = 10_000;

/** Polls every second while the page is visible, and less often while polling fails. */
export class Poll {
  #look;
  #failed;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The number of the newest poll. Results of older polls are dropped. */
  #count = 0;

  /**
   * @param {() => Promise<() => void>} look fetches the data, and returns a function that shows them
   * @param {(error: Error | null) => void} failed called after each poll; null means success
   */
  constructor(look, failed) {
    this.#look = look;
    this.#failed = failed;
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) clearTimeout(this.#timer);
      else void this.now();
    });
  }

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
    // Outside `try`, because a bug in the page must not look like an unreachable sandbox.
    show();
  }
}
