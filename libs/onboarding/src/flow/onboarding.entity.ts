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

/** Only the store's statements write onboardings. */
@Entity('onboardings')
export class Onboarding {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') caller!: string;
  @Column('text') integration!: string;
  @Column('text') provider!: string;
  /** Without the subject's personal members, which `sealedContact` contains. */
  @Column('jsonb') subject!: Subject;
  @Column('text', { name: 'subject_key' }) subjectKey!: string;
  @Column('bytea', { name: 'sealed_contact', nullable: true }) sealedContact!: Buffer | null;
  /** Sealed with the key `dataKeyId` of `SEALING_KEYS`; null on erased rows. */
  @Column('bytea', { name: 'sealed_data_key', nullable: true }) sealedDataKey!: Buffer | null;
  @Column('text', { name: 'data_key_id', nullable: true }) dataKeyId!: string | null;
  @Column('text', { name: 'external_ref', nullable: true }) externalRef!: string | null;
  @Column('jsonb') metadata!: Record<string, unknown>;

  @Column('text') state!: State;
  @Column('text', { nullable: true }) reason!: OtpNeededReason | null;
  /** Counts state changes. */
  @Column('integer') version!: number;
  /** Counts timeline events. */
  @Column('integer', { name: 'last_seq' }) lastSeq!: number;

  /** In flight, or waiting for its next try. In `outcome_unknown`: the step whose outcome is unknown. */
  @Column('text', { nullable: true }) step!: StepName | null;
  /** The latest attempt. The attempts of all steps are numbered together. */
  @Column('integer') attempt!: number;
  /** The first attempt of the caller's latest submission. */
  @Column('integer') submission!: number;
  /** Keyed hash of the submitted values. */
  @Column('text', { nullable: true }) fingerprint!: string | null;
  /** By this id, a process finds out whether a claim without an answer was written. */
  @Column('uuid', { name: 'claim_id', nullable: true }) claimId!: string | null;
  /** The W3C trace context of the request that began the step. */
  @Column('text', { name: 'trace_parent', nullable: true }) traceParent!: string | null;
  /** Null if no attempt is in flight. */
  @Column('timestamptz', { name: 'lease_until', nullable: true }) leaseUntil!: Date | null;
  @Column('timestamptz', { name: 'next_attempt_at', nullable: true }) nextAttemptAt!: Date | null;
  @Column('text', { name: 'parked_reason', nullable: true }) parkedReason!: ParkedReason | null;
  @Column('timestamptz', { name: 'parked_at', nullable: true }) parkedAt!: Date | null;
  /** How often this submission was parked because the provider refuses this service. */
  @Column('integer') parkings!: number;
  /** How many attempts of this submission ended with `unavailable`. */
  @Column('integer', { name: 'unavailable_count' }) unavailableCount!: number;
  @Column('integer', { name: 'no_answer_count' }) noAnswerCount!: number;
  /** The latest attempt of this submission that ended with an unknown effect. */
  @Column('integer', { name: 'doubt_attempt', nullable: true }) doubtAttempt!: number | null;
  @Column('jsonb') unresolved!: UnresolvedAttempt[];

  @Column('jsonb', { name: 'otp_choice' }) otpChoice!: OtpChoice;
  @Column('text', { name: 'otp_handle', nullable: true }) otpHandle!: string | null;
  /** The public keys to encrypt the code with, if the provider accepts encrypted codes. */
  @Column('text', { name: 'otp_target_bundle', nullable: true }) otpTargetBundle!: string | null;
  /** What the user's device needs to sign the request of step 3, if the device keeps the session key. */
  @Column('jsonb', { name: 'device_signing', nullable: true }) deviceSigning!: DeviceSigning | null;
  @Column('integer', { name: 'otp_sends' }) otpSends!: number;
  @Column('timestamptz', { name: 'otp_resend_at', nullable: true }) otpResendAt!: Date | null;
  @Column('timestamptz', { name: 'otp_sent_at', nullable: true }) otpSentAt!: Date | null;
  @Column('timestamptz', { name: 'otp_expires_at', nullable: true }) otpExpiresAt!: Date | null;
  /** Each attempt that the provider may have counted takes one. */
  @Column('integer', { name: 'otp_tries_left' }) otpTriesLeft!: number;
  /** The wrong codes of the whole onboarding. */
  @Column('integer', { name: 'otp_wrong' }) otpWrong!: number;
  @Column('timestamptz', { name: 'session_expires_at', nullable: true }) sessionExpiresAt!: Date | null;
  /** When this service stops using the session: `SESSION_MARGIN_MS` before it expires. */
  @Column('timestamptz', { name: 'session_ends_at', nullable: true }) sessionEndsAt!: Date | null;

  @Column('bytea', { name: 'sealed_otp_code', nullable: true, select: false }) sealedOtpCode!: Buffer | null;
  @Column('bytea', { name: 'sealed_grant', nullable: true, select: false }) sealedGrant!: Buffer | null;
  @Column('bytea', { name: 'sealed_authenticators', nullable: true, select: false })
  sealedAuthenticators!: Buffer | null;

  /** The requests to the provider, by name. Each later try of the step repeats them. */
  @Column('bytea', { name: 'sealed_requests', nullable: true, select: false }) sealedRequests!: Buffer | null;

  /** The passkeys of the submission in step 3, without their attestations. */
  @Column('jsonb', { name: 'pending_authenticators' }) pendingAuthenticators!: AuthenticatorSummary[];
  @Column('jsonb') authenticators!: RegisteredAuthenticator[];

  @Column('jsonb', { name: 'last_result', nullable: true }) lastResult!: LastResult | null;
  @Column('jsonb', { nullable: true }) failure!: Failure | null;
  @Column('timestamptz', { name: 'created_at' }) createdAt!: Date;
  @Column('timestamptz', { name: 'updated_at' }) updatedAt!: Date;
  @Column('timestamptz', { name: 'erased_at', nullable: true }) erasedAt!: Date | null;
  /** A keyed hash of the ended onboarding's timeline up to the event `anchoredSeq`: see `Timelines`. */
  @Column('bytea', { nullable: true, select: false }) anchor!: Buffer | null;
  @Column('integer', { name: 'anchored_seq', nullable: true }) anchoredSeq!: number | null;
  @Column('timestamptz', { name: 'idle_ends_at' }) idleEndsAt!: Date;
  @Column('timestamptz', { name: 'life_ends_at' }) lifeEndsAt!: Date;
  /** When a worker must look at the row again: see `dueOf`. */
  @Column('timestamptz', { name: 'due_at', nullable: true }) dueAt!: Date | null;
}
