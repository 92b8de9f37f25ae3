import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Actor, EventType } from './events.js';

/** One event of a timeline. `seq` has no gaps. `data` contains no secret. */
@Entity('onboarding_events')
export class OnboardingEvent {
  @PrimaryColumn('uuid', { name: 'onboarding_id' }) onboardingId!: string;
  @PrimaryColumn('integer') seq!: number;
  @Column('text') type!: EventType;
  @Column('timestamptz') at!: Date;
  @Column('text') actor!: Actor;
  @Column('jsonb') data!: Record<string, unknown>;
}
