import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { DeviceSigning, OtpChoice, Subject } from '#libs/upstream';
import type { ParkedReason } from './codes.js';
import type {
  AuthenticatorSummary,
  Failure,
  LastResult,
  RegisteredAuthenticator,
  UnresolvedAttempt,
} from './row.js';
import type { OtpNeededReason, State, StepName } from './table.js';

/** The onboarding of one user, in three steps. Only the store's statements write it. */
@Entity('onboardings')
export class Onboarding {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') caller!: string;
  @Column('text') integration!: string;
  @Column('text') provider!: string;
  /** The subject without its personal members: see `sealedContact`. */
  @Column('jsonb') subject!: Subject;
  @Column('text', { name: 'subject_key' }) subjectKey!: string;
  /** The personal members of the subject, encrypted with the data key. */
  @Column('bytea', { name: 'sealed_contact', nullable: true }) sealedContact!: Buffer | null;
  /** The data key, encrypted with a key of `SEALING_KEYS`; null on erased rows. */
  @Column('bytea', { name: 'sealed_data_key', nullable: true }) sealedDataKey!: Buffer | null;
  /** The id of the key of `SEALING_KEYS` that encrypts the data key. */
  @Column('text', { name: 'data_key_id', nullable: true }) dataKeyId!: string | null;
  @Column('text', { name: 'external_ref', nullable: true }) externalRef!: string | null;
  @Column('jsonb') metadata!: Record<string, unknown>;

  @Column('text') state!: State;
  /** In `otp_needed`: why a new code is needed. */
  @Column('text', { nullable: true }) reason!: OtpNeededReason | null;
  /** Counts state changes. */
  @Column('integer') version!: number;
  /** Counts timeline events. */
  @Column('integer', { name: 'last_seq' }) lastSeq!: number;

  /**
   * The step in flight or waiting for its next try. In `outcome_unknown`: the step whose outcome is unknown.
   */
  @Column('text', { nullable: true }) step!: StepName | null;
  /** The number of the latest attempt. The attempts of all steps are numbered together. */
  @Column('integer') attempt!: number;
  /** The first attempt of the caller's latest submission. */
  @Column('integer') submission!: number;
  /** Keyed hash of the submitted values. */
  @Column('text', { nullable: true }) fingerprint!: string | null;
  /**
   * The id that the process chose when it began the attempt. If PostgreSQL does not answer, the process
   * looks for this id.
   */
  @Column('uuid', { name: 'claim_id', nullable: true }) claimId!: string | null;
  /** The W3C trace context of the request that began the step, if this request is traced. */
  @Column('text', { name: 'trace_parent', nullable: true }) traceParent!: string | null;
  /** Until when the attempt in flight belongs to its process; null if no attempt is in flight. */
  @Column('timestamptz', { name: 'lease_until', nullable: true }) leaseUntil!: Date | null;
  @Column('timestamptz', { name: 'next_attempt_at', nullable: true }) nextAttemptAt!: Date | null;
  @Column('text', { name: 'parked_reason', nullable: true }) parkedReason!: ParkedReason | null;
  @Column('timestamptz', { name: 'parked_at', nullable: true }) parkedAt!: Date | null;
  /** How often this submission was parked because the provider refuses this service. */
  @Column('integer') parkings!: number;
  /**
   * How many attempts of this submission ended with `unavailable`; the next column counts `no_answer`.
   */
  @Column('integer', { name: 'unavailable_count' }) unavailableCount!: number;
  @Column('integer', { name: 'no_answer_count' }) noAnswerCount!: number;
  /** The latest attempt of this submission that ended with an unknown effect. */
  @Column('integer', { name: 'doubt_attempt', nullable: true }) doubtAttempt!: number | null;
  @Column('jsonb') unresolved!: UnresolvedAttempt[];

  /** The options for codes that the caller chose at the start. */
  @Column('jsonb', { name: 'otp_choice' }) otpChoice!: OtpChoice;
  @Column('text', { name: 'otp_handle', nullable: true }) otpHandle!: string | null;
  /** The public keys to encrypt the code with, if the provider accepts an encrypted code. */
  @Column('text', { name: 'otp_target_bundle', nullable: true }) otpTargetBundle!: string | null;
  /** If the user's device keeps the session key: the values that it needs to sign the request of step 3. */
  @Column('jsonb', { name: 'device_signing', nullable: true }) deviceSigning!: DeviceSigning | null;
  @Column('integer', { name: 'otp_sends' }) otpSends!: number;
  /** From this instant on, the caller may ask for another code. */
  @Column('timestamptz', { name: 'otp_resend_at', nullable: true }) otpResendAt!: Date | null;
  @Column('timestamptz', { name: 'otp_sent_at', nullable: true }) otpSentAt!: Date | null;
  @Column('timestamptz', { name: 'otp_expires_at', nullable: true }) otpExpiresAt!: Date | null;
  /** How many tries the code has left. Each attempt that the provider may have counted takes one. */
  @Column('integer', { name: 'otp_tries_left' }) otpTriesLeft!: number;
  /** How many wrong codes were submitted in the whole onboarding. */
  @Column('integer', { name: 'otp_wrong' }) otpWrong!: number;
  @Column('timestamptz', { name: 'session_expires_at', nullable: true }) sessionExpiresAt!: Date | null;
  /** When this service stops using the session: `SESSION_MARGIN_MS` before it expires. */
  @Column('timestamptz', { name: 'session_ends_at', nullable: true }) sessionEndsAt!: Date | null;

  @Column('bytea', { name: 'sealed_otp_code', nullable: true, select: false }) sealedOtpCode!: Buffer | null;
  @Column('bytea', { name: 'sealed_grant', nullable: true, select: false }) sealedGrant!: Buffer | null;
  @Column('bytea', { name: 'sealed_authenticators', nullable: true, select: false })
  sealedAuthenticators!: Buffer | null;

  /** The encrypted requests to the provider, each under its name. Each later try of the step repeats them. */
  @Column('bytea', { name: 'sealed_requests', nullable: true, select: false }) sealedRequests!: Buffer | null;

  /** The passkeys of the submission in step 3, without their attestations. */
  @Column('jsonb', { name: 'pending_authenticators' }) pendingAuthenticators!: AuthenticatorSummary[];
  @Column('jsonb') authenticators!: RegisteredAuthenticator[];

  @Column('jsonb', { name: 'last_result', nullable: true }) lastResult!: LastResult | null;
  @Column('jsonb', { nullable: true }) failure!: Failure | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'updated_at' }) updatedAt!: Date;
  @Column('timestamptz', { name: 'erased_at', nullable: true }) erasedAt!: Date | null;
  /** A keyed digest of the ended onboarding's timeline up to the event `anchoredSeq`: see `Timelines`. */
  @Column('bytea', { nullable: true, select: false }) anchor!: Buffer | null;
  @Column('integer', { name: 'anchored_seq', nullable: true }) anchoredSeq!: number | null;
  @Column('timestamptz', { name: 'idle_ends_at' }) idleEndsAt!: Date;
  @Column('timestamptz', { name: 'life_ends_at' }) lifeEndsAt!: Date;
  /**
   * When a worker must look at the row again: see `dueOf`. Null once the onboarding has ended and the digest
   * of its timeline is stored.
   */
  @Column('timestamptz', { name: 'due_at', nullable: true }) dueAt!: Date | null;
}
