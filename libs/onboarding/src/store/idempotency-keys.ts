import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { inBatchesWithRests } from '#libs/kernel';
import { CONFIG, Sealer, type Config } from '#libs/platform';
import type { AnswerToStore } from './answering.js';
import type { KeyToTake } from './onboarding.store.js';
import { packed, unpacked, type KeptAnswer } from './packed-answer.js';
import { ANSWER, FIND_KEY, FORGET_KEYS, RELEASE_KEY } from './statements/keys.js';

export type KeyedRequest = Omit<KeyToTake, 'lockMs'>;

export interface KeptKey {
  fingerprint: string;
  takenBy: string | null;
  onboardingId: string | null;
  /** Whether the first request with the key may still be running. */
  locked: boolean;
  answer: KeptAnswer | null;
  /** Whether the onboarding was erased, and with it the answer. */
  erased: boolean;
}

/** How long the first request with a key may take, besides its wait and its call to the provider. */
const ANSWERING_MS = 5_000;
const DELETE_BATCH = 5_000;

/**
 * The statement that carries out a request also writes its `Idempotency-Key`, so that a crash cannot separate
 * the two.
 */
@Injectable()
export class IdempotencyKeys {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly sealer: Sealer,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * @param waitMs how long the request waits for the end of its step.
   * @returns for how many milliseconds the first request may be running.
   */
  lockMs(waitMs: number): number {
    return waitMs + this.config.CALL_TIMEOUT_MS + ANSWERING_MS;
  }

  /**
   * Stores the answer to a request, unless the key has one or the onboarding is erased. A repetition may
   * store the answer under the first request's id. A refused request stores no key, because a repetition may
   * succeed.
   *
   * @returns the stored answer, which may be that of a faster repetition; the given answer if none is stored.
   */
  async answer(key: KeyedRequest, answer: KeptAnswer): Promise<KeptAnswer> {
    const stored = await this.statements.run(ANSWER, ANSWER.bind({ ...this.sealed(key, answer) }));
    if (stored.length > 0) return answer;
    const kept = await this.find(key);
    return (kept?.takenBy === key.id && kept.answer) || answer;
  }

  /** Seals with `SEALING_KEYS`, because the onboarding with its data key is not always loaded. */
  sealed(key: KeyedRequest, answer: KeptAnswer): AnswerToStore {
    return {
      keyCaller: key.caller,
      route: key.route,
      key: key.key,
      takenBy: key.id,
      sealedAnswer: this.sealer.seal(placeOf(key), packed(answer)),
    };
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

/** With another key, route or caller, the answer cannot be decrypted. */
const placeOf = ({ caller, route, key, id }: Omit<KeyedRequest, 'fingerprint'>) => ({
  onboardingId: JSON.stringify([caller, route, key, id]),
  field: 'answer',
});
