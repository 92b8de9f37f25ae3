/**
 * The usual Nest way: Express, class-validator, TypeORM repositories, and a BullMQ job per call to the
 * provider, for which the request waits. Producer and worker share this process.
 */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { HttpModule, HttpService } from '@nestjs/axios';
import { BullModule, InjectQueue, Processor, WorkerHost } from '@nestjs/bullmq';
import {
  Body,
  Controller,
  Injectable,
  Module,
  Param,
  ParseUUIDPipe,
  Post,
  ValidationPipe,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectDataSource, InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { QueueEvents, type Job, type Queue } from 'bullmq';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsObject,
  IsString,
  IsUUID,
  ValidateNested,
} from 'class-validator';
import { firstValueFrom } from 'rxjs';
import {
  Column,
  CreateDateColumn,
  DataSource,
  Entity,
  Index,
  PrimaryGeneratedColumn,
  Repository,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm';
import {
  CREATE_AUTHENTICATORS,
  INIT_OTP,
  OTP_AUTH,
  creationOptions,
  signedHeaders,
  toByzantine,
  type GivenPasskey,
} from './byzantine.js';

const QUEUE = 'calls';
const WAIT_MS = 30_000;
const redis = new URL(process.env['REDIS_URL']!);
const connection = { host: redis.hostname, port: Number(redis.port), password: redis.password };

@Entity()
class Onboarding {
  @PrimaryGeneratedColumn('uuid') id!: string;
  @Column('uuid') accountId!: string;
  @Column('uuid') userId!: string;
  @Index() @Column('text') state!: string;
  @Column('text', { nullable: true }) otpId!: string | null;
  @Column('text', { nullable: true }) sessionId!: string | null;
  @VersionColumn() version!: number;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt!: Date;
  @UpdateDateColumn({ type: 'timestamptz' }) updatedAt!: Date;
}

@Entity()
class OnboardingEvent {
  @PrimaryGeneratedColumn('uuid') id!: string;
  @Index() @Column('uuid') onboardingId!: string;
  @Column('text') type!: string;
  @CreateDateColumn({ type: 'timestamptz' }) at!: Date;
}

class SubjectDto {
  @IsUUID() accountId!: string;
  @IsUUID() userId!: string;
}
class StartDto {
  @ValidateNested() @Type(() => SubjectDto) subject!: SubjectDto;
}
class VerifyDto {
  @IsString() code!: string;
}
class OptionsDto {
  @IsString() userName!: string;
}
class AuthenticatorDto {
  @IsString() authenticatorName!: string;
  @IsObject() credential!: GivenPasskey['credential'];
}
class AuthenticatorsDto {
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(10)
  @ValidateNested({ each: true })
  @Type(() => AuthenticatorDto)
  authenticators!: AuthenticatorDto[];
}

/** `during` and `after` are the onboarding's states during and after the call. */
interface Call {
  onboardingId: string;
  during: string;
  after: string;
  path: string;
  body: object;
  keep?: 'otpId' | 'sessionId';
}

@Injectable()
class OnboardingsService implements OnModuleDestroy {
  private readonly ends = new QueueEvents(QUEUE, { connection });

  constructor(
    @InjectRepository(Onboarding) private readonly onboardings: Repository<Onboarding>,
    @InjectRepository(OnboardingEvent) private readonly events: Repository<OnboardingEvent>,
    @InjectQueue(QUEUE) private readonly queue: Queue<Call>,
  ) {}

  async start({ subject }: StartDto): Promise<Onboarding> {
    const created = this.onboardings.create({ ...subject, state: 'created' });
    const { id } = await this.onboardings.save(created);
    await this.events.save(this.events.create({ onboardingId: id, type: 'created' }));
    const body = { accountId: subject.accountId, userId: subject.userId };
    const states = { during: 'otp_requested', after: 'otp_sent' };
    return this.call({ onboardingId: id, ...states, path: INIT_OTP, body, keep: 'otpId' });
  }

  async verify(id: string, { code }: VerifyDto): Promise<Onboarding> {
    const { accountId, userId, otpId } = await this.onboardings.findOneByOrFail({ id, state: 'otp_sent' });
    const body = { accountId, userId, otpId, otpCode: code };
    const states = { during: 'otp_submitted', after: 'otp_verified' };
    return this.call({ onboardingId: id, ...states, path: OTP_AUTH, body, keep: 'sessionId' });
  }

  async register(id: string, { authenticators }: AuthenticatorsDto): Promise<Onboarding> {
    const onboarding = await this.onboardings.findOneByOrFail({ id, state: 'otp_verified' });
    const { accountId, userId, sessionId } = onboarding;
    const body = { sessionId, accountId, userId, authenticators: authenticators.map(toByzantine) };
    const states = { during: 'authenticators_submitted', after: 'completed' };
    return this.call({ onboardingId: id, ...states, path: CREATE_AUTHENTICATORS, body });
  }

  private async call(call: Call): Promise<Onboarding> {
    const job = await this.queue.add(call.after, call, { attempts: 3, removeOnComplete: 1_000 });
    await job.waitUntilFinished(this.ends, WAIT_MS);
    return this.onboardings.findOneByOrFail({ id: call.onboardingId });
  }

  async onModuleDestroy(): Promise<void> {
    await this.ends.close();
  }
}

@Processor(QUEUE, { concurrency: 64 })
class CallsProcessor extends WorkerHost {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly http: HttpService,
  ) {
    super();
  }

  async process({ data }: Job<Call>): Promise<void> {
    await this.move(data.onboardingId, data.during, {});
    const body = JSON.stringify(data.body);
    const url = process.env['UPSTREAM_URL'] + data.path;
    const sent = this.http.post<Record<string, string>>(url, body, {
      headers: signedHeaders(data.path, body),
    });
    const { data: answer } = await firstValueFrom(sent);
    await this.move(data.onboardingId, data.after, data.keep ? { [data.keep]: answer[data.keep] } : {});
  }

  private move(id: string, state: string, kept: Partial<Onboarding>): Promise<void> {
    return this.dataSource.transaction(async (manager) => {
      const onboarding = await manager.getRepository(Onboarding).findOneByOrFail({ id });
      await manager.getRepository(Onboarding).save(Object.assign(onboarding, { state }, kept));
      const events = manager.getRepository(OnboardingEvent);
      await events.save(events.create({ onboardingId: id, type: state }));
    });
  }
}

@Controller('v1/onboardings')
class OnboardingsController {
  constructor(private readonly onboardings: OnboardingsService) {}

  @Post()
  start(@Body() body: StartDto) {
    return this.onboardings.start(body);
  }

  @Post(':id/otp/verify')
  verify(@Param('id', ParseUUIDPipe) id: string, @Body() body: VerifyDto) {
    return this.onboardings.verify(id, body);
  }

  @Post(':id/authenticators/options')
  options(@Body() { userName }: OptionsDto) {
    return creationOptions(randomBytes(32).toString('base64url'), userName);
  }

  @Post(':id/authenticators')
  register(@Param('id', ParseUUIDPipe) id: string, @Body() body: AuthenticatorsDto) {
    return this.onboardings.register(id, body);
  }
}

const entities = [Onboarding, OnboardingEvent];

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env['DATABASE_URL']!,
      entities,
      synchronize: true,
    }),
    TypeOrmModule.forFeature(entities),
    BullModule.forRoot({ connection }),
    BullModule.registerQueue({ name: QUEUE }),
    HttpModule,
  ],
  controllers: [OnboardingsController],
  providers: [OnboardingsService, CallsProcessor],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.useGlobalPipes(new ValidationPipe({ whitelist: true, transform: true }));
await app.listen(Number(process.env['PORT']), '127.0.0.1');
process.once('disconnect', () => process.exit());
