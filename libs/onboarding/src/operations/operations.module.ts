import { Module } from '@nestjs/common';
import { DatabaseModule } from '#libs/database';
import { JobsModule } from '#libs/jobs';
import { Operations } from './operations.js';

/** Starts, shows and aborts operations. OnboardingModule carries them out. */
@Module({ imports: [DatabaseModule, JobsModule], providers: [Operations], exports: [Operations] })
export class OperationsModule {}
