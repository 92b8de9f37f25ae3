import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpStatus,
  Param,
  Post,
  Query,
  Res,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AuthenticatorsService, type SubmittedAuthenticator } from '#libs/authenticators';
import { CallerGuard, Requires } from '#libs/callers';
import { Secret, type Caller } from '#libs/kernel';
import { OnboardingLists, OnboardingService, type Terms } from '#libs/onboarding';
import { OtpService } from '#libs/otp';
import type { OtpProof } from '#libs/upstream';
import { StartGate } from './start-gate.js';
import { answer, answerDecision, answerStep } from './answer.js';
import {
  authenticatorsBody,
  optionsBody,
  type AuthenticatorsBody,
  type OptionsBody,
} from './authenticators.dto.js';
import { Answers, CommandAnswers, IfMatch, RunsStep } from './api-docs.decorator.js';
import { creationOptions } from './creation-options.dto.js';
import { AskedBy, CommandTerms } from './command.decorator.js';
import { IdempotencyInterceptor } from './idempotency.js';
import {
  eventPage,
  eventsQuery,
  idParam,
  listQuery,
  onboardingPage,
  onboardingResource,
  reasonBody,
  resendBody,
  resolveBody,
  retryBody,
  startBody,
  toEventResource,
  toResource,
  verifyBody,
  type EventsQuery,
  type ListQuery,
  type ReasonBody,
  type ResendBody,
  type ResolveBody,
  type RetryBody,
  type StartBody,
  type VerifyBody,
} from './onboarding.dto.js';

/** The internal REST API: one verb of a service per route. */
@ApiTags('onboardings')
@UseGuards(CallerGuard)
@UseInterceptors(IdempotencyInterceptor)
@Controller('v1/onboardings')
export class OnboardingController {
  constructor(
    private readonly onboardings: OnboardingService,
    private readonly lists: OnboardingLists,
    private readonly otp: OtpService,
    private readonly authenticators: AuthenticatorsService,
  ) {}

  @Post()
  @Requires('onboardings:write')
  @UseInterceptors(StartGate)
  @ApiOperation({ summary: 'Start an onboarding: has a code sent to the subject' })
  @RunsStep()
  @CommandAnswers(
    201,
    'the code was sent',
    onboardingResource,
    'onboarding_ended',
    'onboarding_live',
    'otp_send_limit',
    'otp_locked',
    'subject_not_found',
    'contact_invalid',
    'captcha_required',
    'upstream_rejected',
  )
  async start(
    @Body({ schema: startBody }) body: StartBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerStep(reply, await this.otp.start(body, terms), 'init-otp', HttpStatus.CREATED);
  }

  @Get()
  @Requires('onboardings:read', 'operations:read', 'operations:write')
  @ApiOperation({ summary: 'List onboardings, newest first' })
  @Answers(200, 'a page', onboardingPage)
  async list(@Query({ schema: listQuery }) { cursor, ...filter }: ListQuery, @AskedBy() caller: Caller) {
    const { rows, next } = await this.lists.list({ ...filter, after: cursor }, caller);
    return { items: rows.map(toResource), nextCursor: next && Buffer.from(next).toString('base64url') };
  }

  @Get(':id')
  @Requires('onboardings:read', 'operations:read', 'operations:write')
  @ApiOperation({ summary: 'Read one onboarding' })
  @Answers(200, 'the onboarding', onboardingResource)
  async get(
    @Param('id', { schema: idParam }) id: string,
    @AskedBy() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answer(reply, await this.onboardings.load(id, caller));
  }

  @Get(':id/events')
  @Requires('onboardings:read', 'operations:read', 'operations:write')
  @ApiOperation({ summary: 'Read the timeline' })
  @Answers(200, 'events after the given number, oldest first', eventPage)
  async events(
    @Param('id', { schema: idParam }) id: string,
    @Query({ schema: eventsQuery }) { after, limit }: EventsQuery,
    @AskedBy() caller: Caller,
  ) {
    const events = await this.onboardings.events(id, after, limit, caller);
    return { items: events.map(toEventResource) };
  }

  @Post(':id/otp/resend')
  @Requires('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Have a new code sent; the old one is void, unless the new one was refused' })
  @RunsStep()
  @CommandAnswers(
    200,
    'the code was sent',
    onboardingResource,
    'otp_resend_too_soon',
    'otp_send_limit',
    'otp_locked',
    'step_in_progress',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'subject_not_found',
    'contact_invalid',
    'captcha_required',
    'upstream_rejected',
  )
  async resend(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: resendBody }) body: ResendBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerStep(reply, await this.otp.resend(id, body ?? {}, terms), 'init-otp');
  }

  @Post(':id/otp/verify')
  @Requires('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Exchange the code for a session' })
  @RunsStep()
  @CommandAnswers(
    200,
    'the session is open',
    onboardingResource,
    'otp_invalid',
    'otp_expired',
    'session_expired',
    'otp_locked',
    'step_in_progress',
    'outcome_unknown',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'subject_not_found',
    'contact_invalid',
    'upstream_rejected',
  )
  async verify(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: verifyBody }) { code, encryptedOtpBundle }: VerifyBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const proof: OtpProof =
      code === undefined
        ? { type: 'encrypted-code', encryptedOtpBundle: encryptedOtpBundle! }
        : { type: 'code', code: new Secret(code) };
    return answerStep(reply, await this.otp.verify(id, proof, terms), 'verify-otp');
  }

  @Post(':id/authenticators/options')
  @Requires('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Options for navigator.credentials.create, with a fresh challenge for one passkey',
  })
  @CommandAnswers(
    200,
    'PublicKeyCredentialCreationOptionsJSON',
    creationOptions,
    'attestation_invalid',
    'otp_expired',
    'session_expired',
    'illegal_state',
    'step_in_progress',
    'outcome_unknown',
    'onboarding_ended',
    'version_mismatch',
  )
  options(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: optionsBody }) body: OptionsBody,
    @CommandTerms() terms: Terms,
  ) {
    return this.authenticators.options(id, body, terms);
  }

  @Post(':id/authenticators')
  @Requires('onboardings:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Register 1 to 10 passkeys; each is checked here before the session is spent' })
  @RunsStep()
  @CommandAnswers(
    200,
    'the onboarding is completed',
    onboardingResource,
    'attestation_invalid',
    'otp_expired',
    'session_expired',
    'step_in_progress',
    'outcome_unknown',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'upstream_rejected',
  )
  async createAuthenticators(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: authenticatorsBody }) body: AuthenticatorsBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const submitted = body.device
      ? { device: body.device }
      : { authenticators: body.authenticators as SubmittedAuthenticator[] };
    return answerStep(reply, await this.authenticators.submit(id, submitted, terms), 'create-authenticators');
  }

  @Post(':id/cancel')
  @Requires('onboardings:write', 'operations:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Cancel' })
  @CommandAnswers(
    200,
    'the onboarding is cancelled',
    onboardingResource,
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
  )
  async cancel(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: reasonBody }) body: ReasonBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answer(reply, await this.onboardings.cancel(id, body?.reason, terms));
  }

  @Delete(':id')
  @Requires('onboardings:erase')
  @HttpCode(HttpStatus.NO_CONTENT)
  @ApiOperation({ summary: 'Erase what is personal of it; a live onboarding is cancelled' })
  @IfMatch()
  @Answers(
    204,
    'nothing personal is left',
    null,
    'illegal_state',
    'version_mismatch',
    'payload_too_large',
    'unsupported_media_type',
  )
  async erase(@Param('id', { schema: idParam }) id: string, @CommandTerms() terms: Terms): Promise<void> {
    await this.onboardings.erase(id, terms);
  }

  @Post(':id/resolve')
  @Requires('onboardings:write', 'operations:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({
    summary: 'Say what became of a lost attempt',
    description:
      'The first decision stands, also on an onboarding that has ended. Another one is refused, even where it says the same: ' +
      '`illegal_state` where it lost the race, `onboarding_ended` where it comes later.',
  })
  @RunsStep()
  @CommandAnswers(
    200,
    'the onboarding goes on',
    onboardingResource,
    'step_in_progress',
    'outcome_unknown',
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
    'otp_send_limit',
    'otp_locked',
  )
  async resolve(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: resolveBody }) body: ResolveBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answerDecision(reply, await this.onboardings.resolve(id, body, terms));
  }

  @Post(':id/retry')
  @Requires('operations:write')
  @HttpCode(HttpStatus.OK)
  @ApiOperation({ summary: 'Have a step that waits or is parked tried now' })
  @CommandAnswers(
    200,
    'the step is due',
    onboardingResource,
    'illegal_state',
    'onboarding_ended',
    'version_mismatch',
  )
  async retry(
    @Param('id', { schema: idParam }) id: string,
    @Body({ schema: retryBody }) body: RetryBody,
    @CommandTerms() terms: Terms,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return answer(reply, await this.onboardings.retry(id, body.reason, terms));
  }
}
