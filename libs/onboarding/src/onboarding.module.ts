import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '#libs/database';
import { JobsModule } from '#libs/jobs';
import { UpstreamModule } from '#libs/upstream';
import { Claims } from './attempt/claim.js';
import { LostClaims } from './attempt/lost-claims.js';
import { FirstAttempt } from './attempt/first-attempt.js';
import { RetryBudget } from './attempt/retry-budget.js';
import { RowWatch } from './attempt/row-watch.js';
import { StepRunner } from './attempt/run.js';
import { Settlement } from './attempt/settle.js';
import { StepHandler } from './attempt/step.handler.js';
import { Steps } from './attempt/step.js';
import { Verdicts } from './attempt/verdict.js';
import { Erasure } from './commands/erase.js';
import { EventFollower } from './commands/event-follower.js';
import { OnboardingLists } from './commands/onboarding-lists.js';
import { OnboardingService } from './commands/onboarding.service.js';
import { OnboardingEvent } from './flow/onboarding-event.entity.js';
import { Onboarding } from './flow/onboarding.entity.js';
import { IntegrationHealth } from './integrations/integration-health.js';
import { IntegrationKnowledge } from './integrations/integration-knowledge.js';
import { IntegrationReports } from './integrations/integration-reports.js';
import { UnknownRefusals } from './integrations/unknown-refusals.js';
import { OnboardingCounter } from './counts/onboarding-counter.js';
import { OnboardingCounts } from './counts/onboarding-counts.js';
import { DataKeys } from './store/data-keys.js';
import { Fingerprint } from './store/fingerprint.js';
import { IdempotencyKeys } from './store/idempotency-keys.js';
import { ListReader } from './store/list-reader.js';
import { OnboardingStore } from './store/onboarding.store.js';
import { Subjects } from './store/subjects.js';
import { Executors } from './operations/executors.js';
import { OperationWorker } from './operations/operation-worker.js';
import { OperationsModule } from './operations/operations.module.js';
import { Pauses } from './upkeep/pauses.js';
import { Timelines } from './upkeep/timelines.js';
import { Expiry } from './upkeep/expire.js';
import { FunnelCount } from './upkeep/funnel-count.js';
import { KeyChecks } from './upkeep/key-checks.js';
import { Probe } from './upkeep/probe.js';
import { Reseal } from './upkeep/reseal.js';
import { Retention } from './upkeep/retain.js';
import { Trials } from './upkeep/trials.js';
import { UpkeepHandlers } from './upkeep/upkeep.handlers.js';
import { Sweeper } from './upkeep/sweep.js';

@Module({
  imports: [
    DatabaseModule,
    JobsModule,
    UpstreamModule,
    OperationsModule,
    TypeOrmModule.forFeature([Onboarding, OnboardingEvent]),
  ],
  providers: [
    Claims,
    DataKeys,
    Erasure,
    EventFollower,
    Executors,
    Expiry,
    Fingerprint,
    FunnelCount,
    IdempotencyKeys,
    IntegrationHealth,
    IntegrationKnowledge,
    IntegrationReports,
    KeyChecks,
    ListReader,
    LostClaims,
    OnboardingLists,
    OnboardingService,
    OnboardingCounter,
    OnboardingCounts,
    OnboardingStore,
    OperationWorker,
    Pauses,
    Probe,
    Trials,
    Reseal,
    Retention,
    RetryBudget,
    RowWatch,
    Settlement,
    StepHandler,
    FirstAttempt,
    StepRunner,
    Steps,
    Subjects,
    Sweeper,
    Timelines,
    UnknownRefusals,
    UpkeepHandlers,
    Verdicts,
  ],
  exports: [
    Claims,
    DataKeys,
    EventFollower,
    Executors,
    Fingerprint,
    IdempotencyKeys,
    JobsModule,
    OnboardingLists,
    OnboardingService,
    OnboardingStore,
    OperationWorker,
    OperationsModule,
    Reseal,
    Retention,
    StepHandler,
    FirstAttempt,
    Steps,
    Subjects,
    Timelines,
    UpkeepHandlers,
    UpstreamModule,
  ],
})
export class OnboardingModule {}
