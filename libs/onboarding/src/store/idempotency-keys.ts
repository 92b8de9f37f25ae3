import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { inBatchesWithRests } from '#libs/kernel';
import { CONFIG, Sealer, type Config } from '#libs/platform';
import type { KeyToTake } from './onboarding.store.js';
import { packed, unpacked, type KeptAnswer } from './packed-answer.js';
import { SharedWrite } from './shared-write.js';
import { ANSWER, FIND_KEY, FORGET_KEYS, RELEASE_KEY } from './statements/keys.js';

/** The values that identify a request with an idempotency key. */
export type KeyedRequest = Omit<KeyToTake, 'lockMs'>;

export interface KeptKey {
  fingerprint: string;
  takenBy: string | null;
  onboardingId: string | null;
  /** Whether the first request with the key may still be running. */
  locked: boolean;
  answer: KeptAnswer | null;
  /** Whether the onboarding was erased. The erasure also deleted the answer. */
  erased: boolean;
}

interface NewAnswer {
  caller: string;
  route: string;
  key: string;
  takenBy: string;
  sealedAnswer: Buffer;
}

/** How long the first request with a key may take, in addition to its wait and its call to the provider. */
const ANSWERING_MS = 5_000;
const DELETE_BATCH = 5_000;

/**
 * Stores requests with an `Idempotency-Key`. The statement that carries out the request also writes its key,
 * so that a crash cannot separate the two.
 */
@Injectable()
export class IdempotencyKeys {
  readonly #answers = new SharedWrite<NewAnswer>((answers) => this.#write(answers));

  constructor(
    private readonly statements: PreparedStatements,
    private readonly sealer: Sealer,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * @param waitMs how long the request waits for the end of its step.
   * @returns how many milliseconds a first request may need before it answers.
   */
  lockMs(waitMs: number): number {
    return waitMs + this.config.CALL_TIMEOUT_MS + ANSWERING_MS;
  }

  /**
   * Stores the answer to a request. Only the first request with the key may do this, and only once. A refused
   * request stores no key, because a repetition may succeed. A key of `SEALING_KEYS` seals the answer,
   * because the row with its data key is not loaded. After an erasure, a late answer is not stored.
   *
   * Answers that arrive during a write are written together, in one commit.
   */
  answer(key: KeyedRequest, answer: KeptAnswer): Promise<void> {
    const { caller, route, id } = key;
    const sealedAnswer = this.sealer.seal(placeOf(key), packed(answer));
    return this.#answers.add({ caller, route, key: key.key, takenBy: id, sealedAnswer });
  }

  async #write(answers: NewAnswer[]): Promise<void> {
    const values = {
      callers: answers.map(({ caller }) => caller),
      routes: answers.map(({ route }) => route),
      keys: answers.map(({ key }) => key),
      takenBys: answers.map(({ takenBy }) => takenBy),
      sealedAnswers: answers.map(({ sealedAnswer }) => sealedAnswer),
    };
    await this.statements.run(ANSWER, ANSWER.bind(values));
  }

  async find({ caller, route, key }: KeyedRequest): Promise<KeptKey | null> {
    const [found] = await this.statements.run<Omit<KeptKey, 'answer'> & { sealedAnswer: Buffer | null }>(
      FIND_KEY,
      FIND_KEY.bind({ caller, route, key }),
    );
    if (!found) return null;
    const { sealedAnswer, ...kept } = found;
    if (sealedAnswer === null || kept.takenBy === null) return { ...kept, answer: null };
    const opened = this.sealer.openBytes(placeOf({ caller, route, key, id: kept.takenBy }), sealedAnswer);
    return { ...kept, answer: unpacked(opened) };
  }

  /** Deletes a key without an answer, so that a repeated request is carried out again. */
  async release({ caller, route, key }: KeyedRequest): Promise<void> {
    await this.statements.run(RELEASE_KEY, RELEASE_KEY.bind({ caller, route, key }));
  }

  /** Deletes expired keys. @returns how many. */
  async forget(stop?: AbortSignal): Promise<number> {
    const keptMs = this.config.IDEMPOTENCY_KEEP_MS;
    return inBatchesWithRests(
      DELETE_BATCH,
      async (limit) => {
        const rows = await this.statements.run(FORGET_KEYS, FORGET_KEYS.bind({ keptMs, limit }));
        return rows.length;
      },
      stop,
    );
  }
}

/**
 * Binds an answer to its request and key. With another key, route or caller, the answer cannot be decrypted.
 */
const placeOf = ({ caller, route, key, id }: Omit<KeyedRequest, 'fingerprint'>) => ({
  onboardingId: JSON.stringify([caller, route, key, id]),
  field: 'answer',
});
