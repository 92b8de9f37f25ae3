import { Column, Entity, PrimaryColumn } from 'typeorm';
import { SIGNALS } from './machine.js';

export const EVENT_TYPES = [
  'created',
  ...SIGNALS,
  'attempt_started',
  'attempt_ended',
  'retry_scheduled',
  'second_mail_possible',
  'late_answer_kept',
  'parked',
  'unparked',
  'resolved',
  'secrets_wiped',
  'erased',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Who made something happen. */
export const ACTORS = ['caller', 'service', 'upstream'] as const;
export type Actor = (typeof ACTORS)[number];

/** One entry of the timeline. Its number has no gap; its data holds no secret. */
@Entity('onboarding_events')
export class OnboardingEvent {
  @PrimaryColumn('uuid', { name: 'onboarding_id' }) onboardingId!: string;
  @PrimaryColumn('integer') seq!: number;
  @Column('text') type!: EventType;
  @Column('timestamptz') at!: Date;
  @Column('text') actor!: Actor;
  @Column('jsonb') data!: Record<string, unknown>;
  /** Chains the event to the one before; computed by the database, null on events of the version before. */
  @Column('bytea', { nullable: true, select: false }) hash?: Buffer | null;
  @Column('uuid', { nullable: true, select: false }) salt?: string | null;
  /** What the chain was computed with, once the data is erased. */
  @Column('bytea', { name: 'data_hash', nullable: true, select: false }) dataHash?: Buffer | null;
}

/** An event on its way in: the store numbers it. */
export interface NewEvent {
  type: EventType;
  actor: Actor;
  data?: Record<string, unknown>;
}
