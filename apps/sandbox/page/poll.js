const EVERY_MS = 1_000;
const LONGEST_MS = 10_000;

/**
 * Looks again and again: every second while somebody can see it, less often while looking fails.
 */
export class Poll {
  #look;
  #failed;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Looks are counted, so that a slow one cannot put its old news over those of a later one. */
  #count = 0;

  /**
   * @param {() => Promise<() => void>} look fetches, and gives back what shows it
   * @param {(error: Error | null) => void} failed is told of every failure, and with null that it is over
   */
  constructor(look, failed) {
    this.#look = look;
    this.#failed = failed;
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) clearTimeout(this.#timer);
      else void this.now();
    });
  }

  /** Looks at once, and then goes on as ever. */
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
    // Last, and not under `try`: a mistake of ours is to be seen as one, and not as a sandbox that is away.
    show();
  }
}
