import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '#libs/database';
import { JobsModule } from '#libs/jobs';
import { UpstreamModule } from '#libs/upstream';
import { Claims } from './claims.js';
import { ClearRemains } from './clear-remains.js';
import { DataKeys } from './data-keys.js';
import { EventFollower } from './event-follower.js';
import { Expiry } from './expiry.js';
import { Fingerprint } from './fingerprint.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IntegrationHealth } from './integration-health.js';
import { IntegrationKnowledge } from './integration-knowledge.js';
import { IntegrationReports } from './integration-reports.js';
import { KeyChecks } from './key-checks.js';
import { OnboardingEvent } from './onboarding-event.entity.js';
import { Onboarding } from './onboarding.entity.js';
import { OnboardingLists } from './onboarding-lists.js';
import { OnboardingService } from './onboarding.service.js';
import { OnboardingStore } from './onboarding.store.js';
import { Probe } from './probe.js';
import { Trials } from './trials.js';
import { Reseal } from './reseal.js';
import { Retention } from './retention.js';
import { RetryBudget } from './retry-budget.js';
import { Settlement } from './settlement.js';
import { StepHandler } from './step.handler.js';
import { StepOutcome } from './step-outcome.js';
import { StepRunner } from './step-runner.js';
import { Steps } from './step.js';
import { Subjects } from './subjects.js';
import { Sweeper } from './sweeper.js';
import { Timelines } from './timelines.js';
import { UpkeepHandlers } from './upkeep.handlers.js';
import { Verdicts } from './verdict.js';

/** The state machine at work: store, runner, retry law, expiry, sweeper. */
@Module({
  imports: [
    DatabaseModule,
    JobsModule,
    UpstreamModule,
    TypeOrmModule.forFeature([Onboarding, OnboardingEvent]),
  ],
  providers: [
    Claims,
    ClearRemains,
    DataKeys,
    EventFollower,
    Expiry,
    Fingerprint,
    IdempotencyKeys,
    IntegrationHealth,
    IntegrationKnowledge,
    IntegrationReports,
    KeyChecks,
    OnboardingLists,
    OnboardingService,
    OnboardingStore,
    Probe,
    Trials,
    Reseal,
    Retention,
    RetryBudget,
    Settlement,
    StepHandler,
    StepOutcome,
    StepRunner,
    Steps,
    Subjects,
    Sweeper,
    Timelines,
    UpkeepHandlers,
    Verdicts,
  ],
  exports: [
    Claims,
    DataKeys,
    EventFollower,
    Fingerprint,
    IdempotencyKeys,
    JobsModule,
    OnboardingLists,
    OnboardingService,
    OnboardingStore,
    Reseal,
    Retention,
    StepHandler,
    StepOutcome,
    Steps,
    Subjects,
    Timelines,
    UpkeepHandlers,
    UpstreamModule,
  ],
})
export class OnboardingModule {}
