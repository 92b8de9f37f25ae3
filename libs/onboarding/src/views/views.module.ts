import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseModule } from '#libs/database';
import { JobsModule } from '#libs/jobs';
import { Onboarding } from '../flow/onboarding.entity.js';
import { IntegrationReports } from '../integrations/integration-reports.js';
import { RefusalList } from '../integrations/refusal-list.js';
import { OnboardingCounter } from '../counts/onboarding-counter.js';
import { OnboardingCounts } from '../counts/onboarding-counts.js';
import { ListReader } from '../store/list-reader.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { FunnelView } from './funnel-view.js';
import { NowView } from './now-view.js';
import { OnboardingSearch } from './onboarding-search.js';
import { OnboardingView } from './onboarding-view.js';

/** The only key that this module needs is `HASH_KEY`. */
@Module({
  imports: [DatabaseModule, JobsModule, TypeOrmModule.forFeature([Onboarding])],
  providers: [
    FunnelView,
    IntegrationReports,
    ListReader,
    NowView,
    OnboardingSearch,
    OnboardingCounter,
    OnboardingCounts,
    OnboardingStore,
    OnboardingView,
    RefusalList,
  ],
  exports: [FunnelView, NowView, OnboardingSearch, OnboardingView, RefusalList],
})
export class ViewsModule {}
