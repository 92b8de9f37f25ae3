import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CLOCK, isScope, type Caller, type Clock } from '#libs/kernel';
import { CONFIG, KeyedHash, Log, type Config } from '#libs/platform';
import { LOAD_KEY, NOTE_USE } from './api-key-statements.js';
import { hashOf, type ApiKeyToken } from './api-key-token.js';
import { ApiKeys } from './api-keys.js';

/** When the cache is full, a new entry evicts the oldest. */
const KEYS_CACHED = 10_000;
const FAMILIAR_MS = 600_000;
/** Compared for an unknown id, so that the login takes as long as for a known one. */
const NO_HASH = Buffer.alloc(32);

interface Row {
  caller: string;
  hash: Buffer;
  scopes: string[];
  integrations: string[] | null;
  /** Null: the key never expires. */
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

/** Caches keys, but no unknown ids, because they would replace keys in the cache. */
@Injectable()
export class ApiKeyLogin {
  readonly #logger = new Log('ApiKeyLogin');
  readonly #known = new Map<string, Known>();
  /** By key id, on the monotonic clock: until when the last login counts as recent. */
  readonly #familiar = new Map<string, number>();
  readonly #reading = new Map<string, Promise<Known | null>>();
  /** If it grows while a key is read, the result may be outdated. */
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
   * @returns null for an unknown or ended key, or a wrong secret
   * @throws Error if PostgreSQL is not available and the key is not cached
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

  /** Whether a key with this id logged in to this process lately. */
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

  /** Simultaneous requests with the same key share one read. */
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
        // Ignore scopes that only a later version knows.
        scopes: new Set(row.scopes.filter(isScope)),
        integrations: row.integrations && new Set(row.integrations),
      },
      untilMs: readAtMs + lifeMs,
      useIsNews: row.useIsNews,
    };
    // A key that was revoked during this read must not be cached.
    if (changes === this.#changes) remember(this.#known, id, known);
    return known;
  }

  #forget(id: string): void {
    this.#changes++;
    this.#known.delete(id);
    this.#familiar.delete(id);
    this.#reading.delete(id);
  }

  #noteUse(id: string, known: Known): void {
    known.useIsNews = false;
    this.statements.run(NOTE_USE, [id]).catch((error: Error) => {
      this.#logger.warn({ apiKeyId: id }, `could not record the use of API key ${id}: ${error.message}`);
    });
  }
}

function remember<Value>(map: Map<string, Value>, id: string, value: Value): void {
  map.delete(id);
  const [oldest] = map.keys();
  if (map.size >= KEYS_CACHED && oldest !== undefined) map.delete(oldest);
  map.set(id, value);
}
