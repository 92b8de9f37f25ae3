import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CLOCK, isScope, type Caller, type Clock } from '#libs/kernel';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';
import { LOAD_KEY, NOTE_USE } from './api-key-statements.js';
import { hashOf, type ApiKeyToken } from './api-key-token.js';
import { ApiKeys } from './api-keys.js';

/** More callers than this in five seconds share the cache; the others are read from PostgreSQL. */
const KEYS_CACHED = 10_000;
const FAMILIAR_MS = 600_000;
/** Compared where there is no key of that id, so that its absence takes as long. */
const NO_HASH = Buffer.alloc(32);

interface Row {
  caller: string;
  hash: Buffer;
  scopes: string[];
  integrations: string[] | null;
  /** Until it expires; null for never. */
  leftMs: number | null;
  useIsNews: boolean;
}

interface Known {
  hash: Buffer;
  caller: Caller;
  /** On the monotonic clock. */
  untilMs: number;
  useIsNews: boolean;
}

/**
 * Says whose key it is, from memory for `API_KEY_CACHE_MS` after it was read: a request costs no round trip to
 * PostgreSQL for it. Only keys that exist are remembered; an id that nobody has would push a real one out.
 */
@Injectable()
export class ApiKeyLogin {
  readonly #logger = new Logger(ApiKeyLogin.name);
  readonly #known = new Map<string, Known>();
  /** Until when a key counts as one that has opened here, on the monotonic clock. */
  readonly #familiar = new Map<string, number>();
  readonly #reading = new Map<string, Promise<Known | null>>();
  /** Grows with every key that ends here: what was read before may be out of date. */
  #changes = 0;

  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    keys: ApiKeys,
  ) {
    keys.whenChanged((id) => this.#forget(id));
  }

  /**
   * @returns null where there is no such key, or it is over, or its secret is another.
   * @throws where PostgreSQL is away and the key is not remembered: nobody can tell then.
   */
  async login(token: ApiKeyToken): Promise<Caller | null> {
    const given = hashOf(token, this.hash);
    const known = this.#remembered(token.id) ?? (await this.#read(token.id));
    const equal = timingSafeEqual(given, known?.hash ?? NO_HASH);
    if (!known || !equal) return null;
    if (known.useIsNews) this.#noteUse(token.id, known);
    remember(this.#familiar, token.id, this.clock.monotonicMs() + FAMILIAR_MS);
    return known.caller;
  }

  /** Whether a key of that id has opened here lately: looking it up again is no work that a stranger made us do. */
  isFamiliar({ id }: ApiKeyToken): boolean {
    return (this.#familiar.get(id) ?? -Infinity) > this.clock.monotonicMs();
  }

  #remembered(id: string): Known | null {
    const known = this.#known.get(id);
    if (!known) return null;
    if (known.untilMs > this.clock.monotonicMs()) return known;
    this.#known.delete(id);
    return null;
  }

  /** A hundred requests at once with one key read it once. */
  #read(id: string): Promise<Known | null> {
    const underWay = this.#reading.get(id);
    if (underWay) return underWay;
    const reading = this.#load(id).finally(() => {
      if (this.#reading.get(id) === reading) this.#reading.delete(id);
    });
    this.#reading.set(id, reading);
    return reading;
  }

  async #load(id: string): Promise<Known | null> {
    const changes = this.#changes;
    const readAtMs = this.clock.monotonicMs();
    const [row] = await this.statements.run<Row>(LOAD_KEY, [id]);
    if (!row) return null;
    const lifeMs = Math.min(this.config.API_KEY_CACHE_MS, row.leftMs ?? Number.POSITIVE_INFINITY);
    const known = {
      hash: row.hash,
      caller: {
        name: row.caller,
        // A later version may know more of them.
        scopes: new Set(row.scopes.filter(isScope)),
        integrations: row.integrations && new Set(row.integrations),
      },
      untilMs: readAtMs + lifeMs,
      useIsNews: row.useIsNews,
    };
    // A key that was revoked while it was being read would be remembered for longer than it lives.
    if (changes === this.#changes) remember(this.#known, id, known);
    return known;
  }

  #forget(id: string): void {
    this.#changes++;
    this.#known.delete(id);
    this.#familiar.delete(id);
    this.#reading.delete(id);
  }

  /** Nobody waits for it, and it may be lost. */
  #noteUse(id: string, known: Known): void {
    known.useIsNews = false;
    this.statements.run(NOTE_USE, [id]).catch((error: Error) => {
      this.#logger.warn(`the use of API key ${id} was not noted: ${error.message}`);
    });
  }
}

/** The oldest makes room. */
function remember<Value>(map: Map<string, Value>, id: string, value: Value): void {
  map.delete(id);
  const [oldest] = map.keys();
  if (map.size >= KEYS_CACHED && oldest !== undefined) map.delete(oldest);
  map.set(id, value);
}
